"""Which of two codes is the wider one, and a table of that which grows.

https://hl7.org/fhir/R4/codesystem-operation-subsumes.html,
https://hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.errors import Unprocessable
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.concept import Concept
from fhir_server.terminology.library import Library

Json = dict[str, Any]

SUBSUMPTIVE = frozenset(("", "is-a"))
"""Meanings of a hierarchy in which what is above subsumes what is below."""


async def outcome(system: CodeSystem, code_a: str, code_b: str) -> str:
    """`equivalent`, `subsumes` (A is wider), `subsumed-by` or `not-subsumed`.

    Raises Unprocessable for a code that the system has not.
    """
    found = await system.find((code_a, code_b))
    for code in (code_a, code_b):
        if code not in found:
            raise Unprocessable(
                f"The code '{code[:100]}' is not in {system.head.canonical}", code="code-invalid"
            )
    a, b = found[code_a], found[code_b]
    if a.code == b.code:
        return "equivalent"
    if await _is_above(system, a, b):
        return "subsumes"
    return "subsumed-by" if await _is_above(system, b, a) else "not-subsumed"


async def _is_above(system: CodeSystem, wider: Concept, narrower: Concept) -> bool:
    if system.head.hierarchy not in SUBSUMPTIVE:
        return False
    return wider.code in await system.ancestors(narrower)


class Entry(NamedTuple):
    """A concept in a closure table; `added` is the version of the table that brought it."""

    system: str
    code: str
    added: int


class Relation(NamedTuple):
    """`wider` subsumes `narrower`."""

    system: str
    narrower: str
    wider: str


async def relations(entries: Sequence[Entry], since: int, library: Library) -> list[Relation]:
    """The relations between the concepts that came later than version `since` and all others."""
    by_system: dict[str, dict[str, int]] = {}
    for entry in entries:
        by_system.setdefault(entry.system, {}).setdefault(entry.code, entry.added)
    found: list[Relation] = []
    for url, added in by_system.items():
        system = await library.code_system(url)
        if system is None or system.head.hierarchy not in SUBSUMPTIVE:
            continue
        concepts = await system.find(list(added))
        for code, concept in concepts.items():
            for wider in sorted((await system.ancestors(concept)) & added.keys()):
                if max(added[code], added[wider]) > since:
                    found.append(Relation(url, code, wider))
    return found


def closure_map(name: str, version: int, found: Sequence[Relation], timestamp: str) -> Json:
    """The ConceptMap that tells the relations: each code and the wider ones that subsume it."""
    resource: Json = {
        "resourceType": "ConceptMap",
        "id": "closure",
        "version": str(version),
        "name": name,
        "status": "active",
        "experimental": True,
        "date": timestamp,
    }
    groups: dict[str, dict[str, list[Json]]] = {}
    for one in found:
        targets = groups.setdefault(one.system, {}).setdefault(one.narrower, [])
        targets.append({"code": one.wider, "equivalence": "subsumes"})
    if groups:
        resource["group"] = [
            {
                "source": system,
                "target": system,
                "element": [{"code": code, "target": targets} for code, targets in rows.items()],
            }
            for system, rows in groups.items()
        ]
    return resource
