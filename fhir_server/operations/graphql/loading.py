"""What a query reads: resources by reference, and searches, each under the caller's grant.

https://hl7.org/fhir/R4/graphql.html#searching
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

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
from fhir_server.interactions.finder import StoreFinder
from fhir_server.interactions.rows import Reader, Rows
from fhir_server.interactions.searchset import Scope, compile_queries, count, paging_of
from fhir_server.operations.graphql.arguments import CURSORS, as_text, fits, span
from fhir_server.search import cursor
from fhir_server.search.criteria import nearest
from fhir_server.search.cursor import Cursor
from fhir_server.search.paging import Edges, Linker
from fhir_server.search.reading import parse
from fhir_server.search.request import Paging, SearchRequest
from fhir_server.services import Services

MAX_RESOURCES = 5_000
"""Resources that one query may read."""

MAX_SEARCHES = 500
"""Searches that one query may make."""

AT_ONCE = 8
"""Searches of one query that are under way at the same time."""

Resource = dict[str, Any]

_RESULT = frozenset({"_count", "_sort", "_total"})


class _Turn(NamedTuple):
    """What a Connection's `next` says: the search, `fhirpath`, and the signed place in it."""

    asked: list[tuple[str, str]]
    path: str
    cursor: str


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

        `pointing` is the resource that `_reference` must lead to, empty at the system level. A List
        has all of them, or as many as `_count` asks for. Raises TooCostly where they are too many.
        """
        if not self.request.grant.allows(type_, Action.SEARCH):
            raise Forbidden(f"Not permitted: search of {type_}")
        self._searches += 1
        if self._searches > MAX_SEARCHES:
            raise TooCostly(f"The query makes more than {MAX_SEARCHES} searches")
        pairs = self._pairs(type_, given, pointing)
        async with self._turn:
            if paged:
                return await self._page(type_, pairs, given)
            return await self._all(type_, pairs, given)

    async def _all(
        self, type_: str, pairs: list[tuple[str, str]], given: Mapping[str, Any]
    ) -> Found:
        most = self.services.settings.page_size_max
        pairs = [pair for pair in pairs if pair[0] != "_count"]
        asked = parse((type_,), pairs, self.services.registry, paging=Paging(most, most))
        offset, end = span(given)
        fhirpath = given.get("fhirpath")
        limit = most if fhirpath is not None or end is None else min(end, most)
        rows = await self._rows(type_, asked, limit, None)
        if rows.edges.after is not None and limit == most and limit != end:
            raise TooCostly(
                f"More than {most:,} of {type_} meet this; narrow it, or use {type_}Connection"
            )
        self._spend(len(rows.versions))
        resources: list[Resource] = [codec.value(version.raw) for version in rows.versions]
        if fhirpath is not None:
            resources = [one for one in resources if fits(one, str(fhirpath))]
        return Found(resources[offset:end], None, offset, limit, {})

    async def _page(
        self, type_: str, pairs: list[tuple[str, str]], given: Mapping[str, Any]
    ) -> Found:
        request, services = self.request, self.services
        if "_offset" in given:
            raise MalformedRequest("A Connection is paged by _cursor, not by _offset")
        fhirpath = str(given.get("fhirpath", ""))
        at = ""
        if (token := next((given[name] for name in CURSORS if name in given), None)) is not None:
            turn = _turn(str(token))
            if turn is None or (pairs and pairs != turn.asked) or fhirpath not in ("", turn.path):
                raise MalformedRequest(
                    "_cursor is none of this Connection; give it alone, as next or previous said it"
                )
            at, pairs, fhirpath = turn.cursor, turn.asked, turn.path
        asked = parse((type_,), pairs, services.registry, paging=paging_of(services))
        linker = Linker(f"{request.base}/{type_}", asked.query, request.grant, services.cursor_key)
        place = linker.current(at)
        rows = await self._rows(type_, asked, asked.count, place)
        total = place.total if place else None
        if place is None and asked.total != "none":
            total = len(rows.versions)
            if not asked.count or rows.edges.after is not None:
                total = await self._total(type_, asked, rows.time)
        self._spend(len(rows.versions))
        links = linker.links(rows.edges if asked.count else Edges(), at, rows.time, total)
        turns = {
            one.relation: _token(one.url.rpartition(f"{cursor.PARAMETER}=")[2], pairs, fhirpath)
            for one in links
            if one.relation in ("next", "previous")
        }
        resources: list[Resource] = [codec.value(version.raw) for version in rows.versions]
        if fhirpath:
            resources = [one for one in resources if fits(one, fhirpath)]
        return Found(resources, total, 0, asked.count, turns)

    async def _total(self, type_: str, asked: SearchRequest, time: int | None) -> int:
        request, services = self.request, self.services
        finder = StoreFinder(services.store, request.grant, request.session, time)
        every = replace(asked, total="accurate")
        queries = await compile_queries(Scope((type_,), ""), every, request, services, finder)
        return await count(queries, request, services, time)

    async def _rows(
        self, type_: str, asked: SearchRequest, limit: int, place: Cursor | None
    ) -> Rows:
        request, services = self.request, self.services
        time = place.time if place else None
        finder = StoreFinder(services.store, request.grant, request.session, time)
        queries = await compile_queries(Scope((type_,), ""), asked, request, services, finder)
        reader = Reader(services.store, request.grant, request.session, limit, False)
        return await reader.read(queries, place, finder.time)

    def _pairs(self, type_: str, given: Mapping[str, Any], pointing: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for name, value in given.items():
            if name in ("_offset", "fhirpath", *CURSORS):
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


def _token(place: str, asked: Sequence[tuple[str, str]], path: str) -> str:
    """The cursor of a Connection, which needs no argument beside it."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Turn(list(asked), path, place))).decode()


def _turn(token: str) -> _Turn | None:
    """What a cursor says; None where it is none. The place in it is verified by its search."""
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=_Turn)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
