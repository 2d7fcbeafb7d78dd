"""A search as it was asked for: conditions, result parameters, and what was applied of them.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from fhir_server.search.conditions import Condition
from fhir_server.search.include import Include
from fhir_server.search.sort import SortKey

Pairs = Sequence[tuple[str, str]]

_PLAIN = re.compile(r"[A-Za-z0-9_.:/,$-]*")
"""What needs no percent-encoding; most names and many values."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How many matches a page has where `_count` says nothing, and at most."""

    default: int = 50
    most: int = 1000


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. `conditions` are by type and all must hold; `count` is 0 for "count only".

    `applied` are the pairs that took effect, in order, defaults included and the cursor left out:
    the self link is made of them. `most` matches are shown in all, on however many pages.
    """

    conditions: dict[str, tuple[Condition, ...]]
    count: int = 50
    total: str = ""
    sort: tuple[SortKey, ...] = ()
    summary: str = ""
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    applied: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    cursor: str = ""
    most: int | None = None
    contained: str = "false"
    contained_type: str = "container"

    @property
    def types(self) -> tuple[str, ...]:
        """The types searched."""
        return tuple(self.conditions)

    @property
    def counts_only(self) -> bool:
        """Whether the number of matches is all that is asked for."""
        return self.count == 0 or self.summary == "count"

    @property
    def counts_all(self) -> bool:
        """Whether the number of matches is asked for, whatever it costs."""
        return self.counts_only or self.total in ("accurate", "estimate")

    @property
    def query(self) -> str:
        """`applied` as the query of a URL, percent-encoded."""
        return encode(self.applied)


def encode(pairs: Pairs) -> str:
    """Pairs as the query of a URL; what is readable and harmless there stays as it is."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe=":/,$")


def with_applied(request: SearchRequest, before: Iterable[tuple[str, str]]) -> SearchRequest:
    """The same search with further pairs at the head of what was applied (`_type`)."""
    return replace(request, applied=(*before, *request.applied))
