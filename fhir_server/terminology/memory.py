"""A code system that lies in memory, made from a CodeSystem resource.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from fhir_server.terminology.code_system import Head, Query
from fhir_server.terminology.concept import (
    Concept,
    Designation,
    Property,
    designations_of,
    properties_of,
)
from fhir_server.terminology.filters import every


class MemoryCodeSystem:
    """A code system with all its concepts in memory, made from a CodeSystem resource.

    `supplements` are further resources whose designations and properties come in.
    """

    listed = True

    def __init__(
        self, resource: dict[str, Any], supplements: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.head = head_of(resource, supplements)
        more = added_by(supplements)
        parents: dict[str, list[str]] = {}
        rows: dict[str, dict[str, Any]] = {}
        for row, parent in _walk(resource.get("concept", ())):
            code = row.get("code", "")
            rows.setdefault(code, row)
            above = parents.setdefault(code, [])
            for one in (parent, *_related(row, "parent")):
                if one and one not in above:
                    above.append(one)
            for child in _related(row, "child"):
                beside = parents.setdefault(child, [])
                if code not in beside:
                    beside.append(code)
        self._concepts = {
            code: _concept(row, tuple(parents[code]), more.get(code)) for code, row in rows.items()
        }
        self._children: dict[str, list[str]] = {}
        for concept in self._concepts.values():
            for parent in concept.parents:
                self._children.setdefault(parent, []).append(concept.code)
        self._folded = (
            {} if self.head.case_sensitive else {code.lower(): code for code in self._concepts}
        )
        self._above: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._concepts)

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """As `CodeSystem.find`."""
        found = {}
        for code in codes:
            concept = self._concepts.get(code)
            if concept is None and self._folded:
                concept = self._concepts.get(self._folded.get(code.lower(), ""))
            if concept is not None:
                found[code] = concept
        return found

    async def select(self, query: Query) -> AsyncIterator[Concept]:
        """As `CodeSystem.select`."""
        meets = await every(self, query.filters)
        left, skip = query.limit, query.skip
        for concept in self._concepts.values():
            if left == 0:
                return
            if query.active_only and concept.inactive:
                continue
            if (query.words and not concept.says(query.words)) or not await meets(concept):
                continue
            if skip:
                skip -= 1
                continue
            if left is not None:
                left -= 1
            yield concept

    async def count(self, query: Query, most: int) -> int:
        """As `CodeSystem.count`."""
        found = 0
        async for _ in self.select(Query(query.filters, query.words, query.active_only)):
            found += 1
            if found > most:
                break
        return found

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """As `CodeSystem.ancestors`."""
        known = self._above.get(concept.code)
        if known is None:
            found: set[str] = set()
            waiting = list(concept.parents)
            while waiting:
                code = waiting.pop()
                if code not in found:
                    found.add(code)
                    if code in self._concepts:
                        waiting += self._concepts[code].parents
            known = self._above[concept.code] = frozenset(found - {concept.code})
        return known

    async def children(self, code: str) -> list[str]:
        """As `CodeSystem.children`."""
        return self._children.get(code, [])


def head_of(resource: dict[str, Any], supplements: Sequence[dict[str, Any]] = ()) -> Head:
    """What a CodeSystem resource says of itself, with the properties that supplements add."""
    properties = {
        one.get("code", ""): one.get("type", "string")
        for source in (resource, *supplements)
        for one in source.get("property", ())
    }
    return Head(
        resource.get("url", ""),
        resource.get("version", ""),
        resource.get("name", ""),
        resource.get("title", ""),
        resource.get("language", ""),
        resource.get("content", "complete"),
        resource.get("caseSensitive", True),
        resource.get("hierarchyMeaning", ""),
        properties,
        frozenset(one.get("code", "") for one in resource.get("filter", ())),
    )


def _walk(
    rows: Iterable[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], str]]:
    """All concepts with the code of the one that they lie in, in the order of the resource."""
    waiting = [(row, "") for row in reversed(list(rows))]
    while waiting:
        row, parent = waiting.pop()
        yield row, parent
        waiting += [(one, row.get("code", "")) for one in reversed(row.get("concept", ()))]


def _related(row: dict[str, Any], name: str) -> list[str]:
    return [one.text for one in properties_of(row) if one.code == name]


Added = tuple[tuple[Property, ...], tuple[Designation, ...]]


def added_by(resources: Sequence[dict[str, Any]]) -> dict[str, Added]:
    """Code -> the properties and designations that these supplements add."""
    found: dict[str, Added] = {}
    for resource in resources:
        language = resource.get("language", "")
        for row, _ in _walk(resource.get("concept", ())):
            properties, designations = found.get(row.get("code", ""), ((), ()))
            own = designations_of(row)
            if language and row.get("display"):
                own = (Designation(row["display"], language), *own)
            found[row.get("code", "")] = (
                (*properties, *properties_of(row)),
                (*designations, *own),
            )
    return found


def _concept(row: dict[str, Any], parents: tuple[str, ...], added: Added | None) -> Concept:
    properties, designations = added or ((), ())
    return Concept(
        row.get("code", ""),
        row.get("display", ""),
        row.get("definition", ""),
        parents,
        (*properties_of(row), *properties),
        (*designations_of(row), *designations),
    )
