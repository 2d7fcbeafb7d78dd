"""What a query reads: resources by reference, and searches, each under the caller's grant.

https://hl7.org/fhir/R4/graphql.html#searching
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.access.grant import Action
from fhir_server.errors import (
    Forbidden,
    MalformedRequest,
    NotFound,
    NotSupported,
    TooCostly,
    UnsupportedParameter,
)
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec, references
from fhir_server.interactions.rows import Reader
from fhir_server.interactions.searchset import Scope, compile_queries, count, paging_of
from fhir_server.operations.graphql.arguments import as_text, whole
from fhir_server.search import cursor
from fhir_server.search.criteria import nearest
from fhir_server.search.paging import Edges, Linker
from fhir_server.search.request import parse
from fhir_server.services import Services

MAX_RESOURCES = 5_000
"""Resources that one query may read."""

MAX_SEARCHES = 500
"""Searches that one query may make."""

AT_ONCE = 8
"""Searches of one query that are under way at the same time."""

Resource = dict[str, Any]

_RESULT = frozenset({"_count", "_cursor", "_offset", "_sort", "_total"})


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search; `turns` has the cursors by relation."""

    resources: Sequence[Resource]
    total: int | None
    offset: int
    size: int
    turns: Mapping[str, str]


@dataclass(slots=True)
class Loader:
    """Reads for one query, each resource once. Raises TooCostly beyond its bounds."""

    request: FhirRequest
    services: Services
    _read: dict[tuple[str, str, str], asyncio.Future[Resource]] = field(default_factory=dict)
    _resources: int = 0
    _searches: int = 0
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def read(self, type_: str, id_: str, version: str = "") -> Resource:
        """A resource. Raises NotFound, Gone, Forbidden."""
        key = (type_, id_, version)
        if key not in self._read:
            self._spend(1)
            self._read[key] = asyncio.ensure_future(self._fetched(*key))
        return await self._read[key]

    async def resolve(self, reference: Resource, holder: Resource) -> Resource:
        """What a Reference points at, also inside `holder`. Raises NotFound and NotSupported."""
        text = reference.get("reference")
        if not isinstance(text, str):
            raise NotFound("The reference has no literal reference to follow")
        found = references.parse(text)
        if found.fragment and not found.type:
            for contained in holder.get("contained", ()):
                if contained.get("id") == found.fragment:
                    return dict(contained)
            raise NotFound(f"Nothing is contained as {text[:80]}")
        if found.base and found.base != self.services.settings.base:
            raise NotSupported(f"{text[:200]} lies on another server")
        if not self.services.definitions.is_resource(found.type) or not found.id:
            raise NotSupported(f"{text[:200]} cannot be followed")
        return await self.read(found.type, found.id, found.version)

    async def search(
        self, type_: str, given: Mapping[str, Any], pointing: str, *, paged: bool
    ) -> Found:
        """The resources of a type that meet the arguments of a List or Connection.

        `pointing` is the resource that `_reference` must lead to, empty at the system level.
        """
        if not self.request.grant.allows(type_, Action.SEARCH):
            raise Forbidden(f"Not permitted: search of {type_}")
        self._searches += 1
        if self._searches > MAX_SEARCHES:
            raise TooCostly(f"The query makes more than {MAX_SEARCHES} searches")
        async with self._turn:
            return await self._search(type_, self._pairs(type_, given, pointing), given, paged)

    async def _search(
        self, type_: str, pairs: list[tuple[str, str]], given: Mapping[str, Any], paged: bool
    ) -> Found:
        request, services = self.request, self.services
        offset = whole("_offset", given["_offset"]) if "_offset" in given else 0
        if offset and paged:
            raise MalformedRequest("A Connection is paged by _cursor, not by _offset")
        asked = parse((type_,), pairs, services.registry, paging=paging_of(services))
        scope = Scope((type_,), f"{request.base}/{type_}")
        queries = await compile_queries(scope, asked, request, services)
        linker = Linker(scope.url, asked.query, request.grant, services.cursor_key)
        place = linker.current(asked.cursor)
        most = services.settings.page_size_max
        if offset + asked.count > most:
            raise TooCostly(f"_offset and _count lead beyond {most}; use a Connection's _cursor")
        reader = Reader(services.store, request.grant, request.session, offset + asked.count, False)
        rows = await reader.read(queries, place)
        total = place.total if place else None
        if paged and place is None and asked.total != "none":
            total = (
                len(rows.versions)
                if asked.count and rows.edges.after is None
                else await count(queries, request, services, rows.time)
            )
        versions = rows.versions[offset:]
        self._spend(len(versions))
        links = linker.links(rows.edges if asked.count else Edges(), asked.cursor, rows.time, total)
        turns = {one.relation: one.url.rpartition(f"{cursor.PARAMETER}=")[2] for one in links}
        resources = [codec.value(version.raw) for version in versions]
        return Found(resources, total, offset, asked.count, turns)

    def _pairs(self, type_: str, given: Mapping[str, Any], pointing: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for name, value in given.items():
            if name == "_offset":
                continue
            if name == "_reference":
                found.append((self._reference(type_, str(value), pointing), pointing))
            elif name in _RESULT:
                found.append((name, as_text(value)))
            else:
                values = value if isinstance(value, list) else [value]
                code = self._code(type_, name)
                found.append((code, ",".join(as_text(one) for one in values)))
        return found

    def _reference(self, type_: str, name: str, pointing: str) -> str:
        if not pointing:
            raise MalformedRequest("_reference is for lists inside of a resource")
        code = self._code(type_, name)
        parameter = self.services.registry.find(type_, code)
        if parameter is None or parameter.type != "reference":
            raise UnsupportedParameter(f"_reference: {type_}.{code[:80]} is no reference")
        return code

    def _code(self, type_: str, name: str) -> str:
        """The search parameter that a GraphQL name stands for: `_` may be said for `-`."""
        codes = [parameter.code for parameter in self.services.registry.all(type_)]
        for code in codes:
            if name in (code, code.replace("-", "_")):
                return code
        near = nearest(name.replace("_", "-"), codes)
        raise UnsupportedParameter(f"{type_} has no search parameter '{name[:80]}'{near}")

    async def _fetched(self, type_: str, id_: str, version: str) -> Resource:
        store, grant, session = self.services.store, self.request.grant, self.request.session
        if version:
            if not (version.isascii() and version.isdigit()):
                raise NotFound(f"{type_}/{id_} has no version {version}")
            found = await store.vread(type_, id_, int(version), grant, session)
        else:
            found = await store.read(type_, id_, grant, session)
        return dict(codec.value(found.raw))

    def _spend(self, resources: int) -> None:
        self._resources += resources
        if self._resources > MAX_RESOURCES:
            raise TooCostly(f"The query reads more than {MAX_RESOURCES:,} resources")
