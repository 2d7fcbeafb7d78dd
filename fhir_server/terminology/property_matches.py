"""Concepts by their properties: https://hl7.org/fhir/R4/codesystem-operation-find-matches.html"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fhir_server.errors import Unprocessable
from fhir_server.terminology.code_system import CodeSystem, Filter, Query
from fhir_server.terminology.concept import Concept
from fhir_server.terminology.filters import check, values

MOST_MATCHES = 100
MOST_EXAMINED = 100_000


class Wanted(NamedTuple):
    """A property and the value that it shall have, as text."""

    code: str
    value: str


class Match(NamedTuple):
    """A concept and the properties asked for that it does not have."""

    concept: Concept
    unmatched: tuple[Wanted, ...]


async def find(system: CodeSystem, wanted: Sequence[Wanted], exact: bool) -> list[Match]:
    """The concepts that have all the properties, `MOST_MATCHES` at most.

    Unless `exact`, also those that have some of them, the nearest first. Raises Unprocessable for
    a property that the code system has not.
    """
    filters = tuple(Filter(one.code, "=", one.value) for one in wanted)
    for one in filters:
        check(system, one)
    if not system.listed:
        raise Unprocessable(f"The concepts of {system.head.url} cannot be listed")
    if exact or len(wanted) == 1:
        asked = Query(filters, limit=MOST_MATCHES)
        return [Match(concept, ()) async for concept in system.select(asked)]
    found: dict[str, Match] = {}
    for one in filters:
        async for concept in system.select(Query((one,), limit=MOST_EXAMINED)):
            if concept.code not in found:
                missing = tuple(w for w in wanted if w.value not in set(values(concept, w.code)))
                found[concept.code] = Match(concept, missing)
    ranked = sorted(found.values(), key=lambda match: len(match.unmatched))
    return ranked[:MOST_MATCHES]
