"""What a reference names: https://hl7.org/fhir/R4/references.html#literal."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple


class Target(NamedTuple):
    """The parts of a literal reference; `base` is empty for a relative one."""

    base: str
    type: str
    id: str
    version: str


_LITERAL = re.compile(
    r"(?:(?P<base>[A-Za-z][A-Za-z0-9+.-]*://.+)/)?(?P<type>[A-Z][A-Za-z]+)/"
    r"(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)


@lru_cache(maxsize=65_536)
def literal(reference: str) -> Target | None:
    """The parts of `Type/id`, `http://base/Type/id` and their versions; None for anything else."""
    match = _LITERAL.fullmatch(reference)
    if match is None:
        return None
    return Target(match["base"] or "", match["type"], match["id"], match["version"] or "")


def target_type(reference: Any, resource: dict[str, Any]) -> str:
    """The type of resource that a Reference or a literal leads to, empty where it does not say.

    Contained resources are looked up in `resource`.
    """
    text: Any
    if isinstance(reference, dict):
        text, said = reference.get("reference"), str(reference.get("type", ""))
    else:
        text, said = reference, ""
    if not isinstance(text, str):
        return said
    if text.startswith("#"):
        for contained in resource.get("contained", ()):
            if contained.get("id") == text[1:]:
                return str(contained.get("resourceType", ""))
        return said
    target = literal(text)
    return target.type if target else said
