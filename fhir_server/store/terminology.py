"""Terminology as a server has it: what was stored, what was loaded, and what the program brings.

A resource that was stored goes before a loaded code system of the same URL, and this before the
base. Each question looks up what is stored now, so that a write of any process counts at once; only
the decoded content of a version is kept.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.errors import FhirError
from fhir_server.fhir import codec
from fhir_server.search.collector import shortened
from fhir_server.store.closures import Closures
from fhir_server.store.concepts import Concepts
from fhir_server.store.conformance import ORIGIN
from fhir_server.store.pages import PageQuery
from fhir_server.store.resources import Store
from fhir_server.terminology import base
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.implicit import implicit
from fhir_server.terminology.library import (
    BaseLibrary,
    Json,
    canonical,
    is_version,
    order,
)
from fhir_server.terminology.membership import Membership
from fhir_server.terminology.memory import MemoryCodeSystem
from fhir_server.terminology.preparation import prepare
from fhir_server.terminology.supplemented import Supplemented
from fhir_server.terminology.value_set import Member

GRANT = Grant.system("terminology: code systems, value sets and maps serve everybody's questions")

MOST_VERSIONS = 100
MOST_MAPS = 500
KEPT = 256
MOST_CONCEPTS = 200_000

External = Callable[[str], CodeSystem | None]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A resource that is stored; `of_base` where it is as the program brought it."""

    type: str
    id: str
    number: int
    version: str
    of_base: bool


class Terminology:
    """The library of a server, and what keeps its state.

    `external` gives the code systems that another server answers for.
    """

    def __init__(self, store: Store, external: External = lambda url: None) -> None:
        self.concepts = Concepts(store.database)
        self.closures = Closures(store.database)
        self.membership = Membership()
        self._base = BaseLibrary(base.load())
        self._store = store
        self._external = external
        self._resources: OrderedDict[tuple[str, str, int], Json] = OrderedDict()
        self._systems: OrderedDict[tuple[Any, ...], MemoryCodeSystem] = OrderedDict()

    async def code_system(self, url: str, version: str = "") -> CodeSystem | None:
        """As `Library.code_system`."""
        stored, loaded, supplements = await asyncio.gather(
            self._stored("CodeSystem", f"url={shortened(url)}"),
            self.concepts.systems(url),
            self._supplements(url),
        )
        whole = {one.head.version: one for one in loaded}
        fit = [one for one in loaded if not version or is_version(one.head.version, version)]
        newest = max(fit, key=lambda one: order(one.head.version), default=None)
        chosen = _chosen(stored, version)
        if chosen is not None:
            resource = await self._resource(chosen)
            if resource.get("content") in ("not-present", "fragment") and newest is not None:
                newest = whole.get(chosen.version, newest)
            else:
                return self._in_memory(chosen, resource, supplements)
        if newest is not None:
            return _supplemented(self.concepts.open(newest), supplements)
        found = await self._base.code_system(url, version)
        if found is None or found.head.content == "not-present":
            return self._external(url) or found
        return _supplemented(found, supplements)

    async def value_set(self, url: str, version: str = "") -> Json | None:
        """As `Library.value_set`."""
        found = await self._find("ValueSet", url, version)
        return found or await self._base.value_set(url, version) or implicit(url)

    async def concept_map(self, url: str, version: str = "") -> Json | None:
        """As `Library.concept_map`."""
        return await self._find("ConceptMap", url, version) or await self._base.concept_map(
            url, version
        )

    async def concept_maps(self) -> Sequence[Json]:
        """As `Library.concept_maps`: those stored, `MOST_MAPS` at most, then those of the base."""
        page = await self._store.page(PageQuery("ConceptMap", {"k": "*"}, limit=MOST_MAPS), GRANT)
        own = [codec.value(version.raw) for version in page.versions]
        urls = {one.get("url") for one in own}
        return [*own, *(one for one in await self._base.concept_maps() if one["url"] not in urls)]

    async def versions(self, type_: str, url: str) -> list[str]:
        """As `Library.versions`."""
        found = {one.version for one in await self._stored(type_, f"url={shortened(url)}")}
        if type_ == "CodeSystem":
            found |= {one.head.version for one in await self.concepts.systems(url)}
        return sorted(found | set(await self._base.versions(type_, url)), key=order)

    async def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether a value set (canonical) has the code; None where nobody can tell.

        What was stored counts; `membership` answers faster for the base alone. Raises Unavailable.
        """
        named = canonical(value_set)
        resource = await self._find("ValueSet", named.url, "")
        if resource is None:
            answer = self.membership.contains(value_set, system, code)
            if answer is not None:
                return answer
            resource = await self._base.value_set(named.url)
        if resource is None:
            return None
        try:
            found = await (await prepare(resource, self)).find(system, code)
        except FhirError as error:
            if error.status >= 500:
                raise
            return None
        return None if found is None else isinstance(found, Member) and not found.concept.abstract

    async def _find(self, type_: str, url: str, version: str) -> Json | None:
        """The resource that was stored; None where there is none, or only the base's own."""
        chosen = _chosen(await self._stored(type_, f"url={shortened(url)}"), version)
        return await self._resource(chosen) if chosen else None

    async def _supplements(self, url: str) -> list[Json]:
        stored = await self._stored("CodeSystem", f"supplements={shortened(url)}")
        return [await self._resource(one) for one in stored if not one.of_base]

    async def _stored(self, type_: str, key: str) -> list[_Stored]:
        """The current resources with this key, without their content."""
        stages: list[Json] = [
            {"$limit": MOST_VERSIONS},
            {
                "$project": {
                    "v": 1,
                    "base": {"$in": [f"_tag={ORIGIN}|base", "$k"]},
                    "versions": {
                        "$filter": {
                            "input": "$k",
                            "cond": {"$eq": [{"$substrBytes": ["$$this", 0, 9]}, "version=|"]},
                        }
                    },
                }
            },
        ]
        rows = await self._store.selections.ordered(type_, {"k": key}, stages, GRANT, None)
        return [
            _Stored(
                type_,
                row["_id"],
                row["v"],
                _plain(row["versions"][0][9:]) if row["versions"] else "",
                row["base"] and row["v"] == 1,
            )
            for row in rows.documents
        ]

    async def _resource(self, stored: _Stored) -> Json:
        key = (stored.type, stored.id, stored.number)
        kept = self._resources.get(key)
        if kept is None:
            version = await self._store.vread(stored.type, stored.id, stored.number, GRANT)
            kept = self._resources[key] = codec.value(version.raw)
            if len(self._resources) > KEPT:
                self._resources.popitem(last=False)
        self._resources.move_to_end(key)
        return kept

    def _in_memory(
        self, stored: _Stored, resource: Json, supplements: Sequence[Json]
    ) -> MemoryCodeSystem:
        key = (
            stored.id,
            stored.number,
            tuple((one["id"], one["meta"]["versionId"]) for one in supplements),
        )
        kept = self._systems.get(key)
        if kept is None:
            kept = self._systems[key] = MemoryCodeSystem(resource, supplements)
            while len(self._systems) > 1 and sum(map(len, self._systems.values())) > MOST_CONCEPTS:
                self._systems.popitem(last=False)
        self._systems.move_to_end(key)
        return kept


def _plain(part: str) -> str:
    """A part of a token's key without the escapes that it has there."""
    return re.sub(r"\\(.)", r"\1", part)


def _chosen(stored: Sequence[_Stored], version: str) -> _Stored | None:
    """The newest of what was stored by somebody else than the program itself."""
    fit = [
        one
        for one in stored
        if not one.of_base and (not version or is_version(one.version, version))
    ]
    return max(fit, key=lambda one: order(one.version), default=None)


def _supplemented(system: CodeSystem, supplements: Sequence[Json]) -> CodeSystem:
    return Supplemented(system, supplements) if supplements else system
