"""Code systems as people download them, read concept by concept.

Each module reads one form and gives a `Release`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fhir_server.errors import Unprocessable
from fhir_server.terminology.code_system import Head
from fhir_server.terminology.concept import Concept

DEEPEST = 5_000
"""Ancestors that one concept may have."""


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a code system that is to be loaded.

    `concepts` may be called again and begins anew each time; `total` is how many it gives, 0 where
    that is not known; `parents` are those of every concept that has some.
    """

    head: Head
    concepts: Callable[[], Iterator[Concept]]
    total: int = 0
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def ancestors(self, concept: Concept) -> list[str]:
        """The codes of all that subsume the concept, each once, itself not among them."""
        found: dict[str, None] = {}
        waiting = list(self.parents.get(concept.code, concept.parents))
        while waiting:
            code = waiting.pop()
            if code not in found and code != concept.code:
                found[code] = None
                waiting += self.parents.get(code, ())
                if len(found) > DEEPEST:
                    raise Unprocessable(
                        f"{concept.code} of {self.head.url} has more than {DEEPEST} ancestors"
                    )
        return list(found)
