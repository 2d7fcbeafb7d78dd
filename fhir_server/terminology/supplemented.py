"""A code system with what supplements add to it, concept by concept.

https://hl7.org/fhir/R4/codesystem.html#supplements
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from fhir_server.terminology.code_system import CodeSystem, Head, Query
from fhir_server.terminology.concept import Concept
from fhir_server.terminology.memory import added_by, head_of


class Supplemented:
    """Wherever the system lies: text filters still look through its own words alone."""

    def __init__(self, system: CodeSystem, supplements: Sequence[dict[str, Any]]) -> None:
        self._system = system
        self._added = added_by(supplements)
        more: dict[str, str] = {}
        for one in supplements:
            more.update(head_of(one).properties)
        self._head = replace(system.head, properties={**system.head.properties, **more})

    @property
    def head(self) -> Head:
        """As `CodeSystem.head`, with the properties that are added."""
        return self._head

    @property
    def listed(self) -> bool:
        """As `CodeSystem.listed`."""
        return self._system.listed

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """As `CodeSystem.find`."""
        found = await self._system.find(codes)
        return {code: self._with_more(concept) for code, concept in found.items()}

    async def select(self, query: Query) -> AsyncIterator[Concept]:
        """As `CodeSystem.select`."""
        async for concept in self._system.select(query):
            yield self._with_more(concept)

    async def count(self, query: Query, most: int) -> int:
        """As `CodeSystem.count`."""
        return await self._system.count(query, most)

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """As `CodeSystem.ancestors`."""
        return await self._system.ancestors(concept)

    async def children(self, code: str) -> list[str]:
        """As `CodeSystem.children`."""
        return await self._system.children(code)

    def _with_more(self, concept: Concept) -> Concept:
        added = self._added.get(concept.code)
        if added is None:
            return concept
        return msgspec.structs.replace(
            concept,
            properties=(*concept.properties, *added[0]),
            designations=(*concept.designations, *added[1]),
        )
