"""Patient/[id]/$everything and Encounter/[id]/$everything: a whole record.

https://hl7.org/fhir/R4/patient-operation-everything.html. The record is the resource itself, all in
its compartment, and what these point at (practitioners, organizations, medications), but nothing
from the record of another patient. Without `_count` it is streamed; with it, it comes in pages,
each with what its own resources point at.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fhir_server.access.grant import Action
from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import bundle
from fhir_server.fhir.bundle import Link
from fhir_server.fhir.primitives import parse_instant_range
from fhir_server.interactions.rows import Reader
from fhir_server.interactions.search_system import pick_types
from fhir_server.operations.arguments import Arguments, read_arguments
from fhir_server.search import cursor
from fhir_server.search.compile import CLINICAL, Query
from fhir_server.search.cursor import Cursor
from fhir_server.search.include import pointed_at, references
from fhir_server.search.request import encode
from fhir_server.services import Services
from fhir_server.store.version import Version

LOT = 500
"""How many resources are read at a time for a stream."""

_NAMES = {
    "Patient": ("start", "end", "_since", "_type", "_count", cursor.PARAMETER),
    "Encounter": ("_since", "_type", "_count", cursor.PARAMETER),
}
_LOWEST: tuple[Any, ...] = ()


async def everything(request: FhirRequest, services: Services) -> FhirResponse:
    """A searchset of the record; 404 or 410 where the resource itself is not there.

    Raises MalformedRequest for dates, types and counts that are none.
    """
    type_, id_ = request.target.type, request.target.id
    arguments = read_arguments(request, services, _NAMES[type_])
    owner = await services.store.read_many([(type_, id_)], request.grant, request.session)
    if not owner:
        await services.store.read(type_, id_, request.grant, request.session)  # says why
    record = await _record(owner[type_, id_], arguments, request, services)
    count, page = _count(arguments, services), arguments.text(cursor.PARAMETER)
    if count is not None or page:
        return await record.page(page, count or services.settings.page_size)
    links, now = [Link("self", record.url)], time.time_ns() // 1000
    return FhirResponse(
        200,
        stream=bundle.stream("searchset", record.entries(), links, id_=str(uuid4()), updated=now),
    )


async def _record(
    owner: Version, arguments: Arguments, request: FhirRequest, services: Services
) -> _Record:
    since = _instant(arguments, "_since", 1)
    shared: list[dict[str, Any]] = [{"u": {"$gt": since}}] if since is not None else []
    dated: list[dict[str, Any]] = []
    start, end = _instant(arguments, "start", 0), _instant(arguments, "end", 1)
    if start is not None:
        dated.append({"$or": [{"d": None}, {"e": None}, {"e": {"$gte": start}}]})
    if end is not None:
        dated.append({"$or": [{"d": None}, {"d": {"$lte": end}}]})
    known = services.definitions.resource_types
    asked = arguments.many("_type")
    wanted, _ = pick_types(tuple(("_type", str(types)) for types in asked), known)
    members = services.definitions.compartments[owner.type].keys() | {owner.type}
    stored = members & set(await services.store.types())
    # A type outside the compartment is found through all that points at it.
    read = stored & set(wanted) if set(wanted) <= members and wanted else stored
    compartment = f"in={owner.type}/{owner.id}"
    queries = []
    for type_ in (owner.type, *sorted(read - {owner.type})):
        if type_ in read and request.grant.allows(type_, Action.SEARCH):
            conditions = shared if type_ == owner.type else [*shared, *dated]
            filter_: dict[str, Any] = {"k": compartment}
            if conditions:
                filter_["$and"] = conditions
            queries.append(Query(type_, filter_, CLINICAL))
    pairs = [
        (name, str(value))
        for name in ("start", "end", "_since", "_type", "_count")
        for value in arguments.many(name)
    ]
    url = f"{request.base}/{owner.type}/{owner.id}/$everything"
    if pairs:
        url += "?" + encode(pairs)
    patient = owner.keys.p if owner.keys else None
    return _Record(request, services, queries, frozenset(wanted), since, patient, url)


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as it is asked for. `patient` is whose it is; `since` in microseconds, or None."""

    request: FhirRequest
    services: Services
    queries: Sequence[Query]
    wanted: frozenset[str]
    since: int | None
    patient: str | None
    url: str

    async def entries(self) -> AsyncIterator[bytes]:
        """All entries, the record's own first, then what it points at, each once."""
        own: set[tuple[str, str]] = set()
        pointed: dict[tuple[str, str], None] = {}
        place: Cursor | None = Cursor(_LOWEST)
        while place is not None:
            versions, place = await self.read(place, LOT)
            own.update((version.type, version.id) for version in versions)
            pointed.update(dict.fromkeys(self.pointed_at(versions)))
            for entry in self.written(versions, "match"):
                yield entry
        rest = [target for target in pointed if target not in own]
        for at in range(0, len(rest), LOT):
            for entry in self.written(await self.fetch(rest[at : at + LOT]), "include"):
                yield entry

    async def page(self, text: str, count: int) -> FhirResponse:
        """The page that a cursor names, or the first one, with a link to the next."""
        grant, key = self.request.grant, self.services.cursor_key
        place = cursor.verify(text, self.url, grant, key) if text else Cursor(_LOWEST)
        versions, after = await self.read(place, count)
        own = {(version.type, version.id) for version in versions}
        pointed = [t for t in dict.fromkeys(self.pointed_at(versions)) if t not in own]
        entries = [
            *self.written(versions, "match"),
            *self.written(await self.fetch(pointed), "include"),
        ]
        here = f"{self.url}&{cursor.PARAMETER}={text}" if text else self.url
        links = [Link("self", here)]
        if after is not None:
            signed = cursor.sign(after, self.url, grant, key)
            links.append(Link("next", f"{self.url}&{cursor.PARAMETER}={signed}"))
        stamp = time.time_ns() // 1000
        body = bundle.searchset(entries, links, id_=str(uuid4()), updated=stamp)
        return FhirResponse(200, body)

    async def read(self, place: Cursor, limit: int) -> tuple[list[Version], Cursor | None]:
        """Up to `limit` resources behind a place, type by type, and the place behind them.

        A place is () at the start, else the type and, within it, the sort values of a row.
        """
        found: list[Version] = []
        moment = place.time
        behind = place.values
        for query in self.queries:
            if behind and query.type != behind[0]:
                continue
            inner = Cursor(behind[1:], time=moment)
            behind = ()
            if len(found) == limit:
                return found, Cursor((query.type,), time=moment)
            store, grant, session = self.services.store, self.request.grant, self.request.session
            rows = await Reader(store, grant, session, limit - len(found), True).read(
                [query], inner
            )
            found += rows.versions
            moment = rows.time
            if rows.edges.after is not None:
                return found, Cursor((query.type, *rows.edges.after), time=moment)
        return found, None

    def pointed_at(self, versions: Iterable[Version]) -> Iterable[tuple[str, str]]:
        """Type and id of what these resources point at."""
        known = self.services.definitions.resource_types
        for version in versions:
            codes = references(version.type, self.services.registry)
            for type_, id_, _ in pointed_at(version.keys.k if version.keys else (), codes, ""):
                if type_ in known:
                    yield type_, id_

    async def fetch(self, targets: Sequence[tuple[str, str]]) -> list[Version]:
        """Those of the targets that are there and in no other patient's record."""
        found = await self.services.store.read_many(
            targets, self.request.grant, self.request.session
        )
        own = f"in=Patient/{self.patient}"
        return [
            version
            for version in found.values()
            if (self.since is None or version.updated > self.since)
            and not self._is_of_others(version.keys.k if version.keys else (), own)
        ]

    def written(self, versions: Iterable[Version], mode: bundle.Mode) -> Iterable[bytes]:
        """Entries of those of the types asked for."""
        for version in versions:
            if not self.wanted or version.type in self.wanted:
                url = f"{self.request.base}/{version.type}/{version.id}"
                yield bundle.match_entry(url, version.raw, mode)

    @staticmethod
    def _is_of_others(keys: Sequence[str], own: str) -> bool:
        compartments = [key for key in keys if key.startswith("in=Patient/")]
        return bool(compartments) and own not in compartments


def _count(arguments: Arguments, services: Services) -> int | None:
    value = arguments.one("_count")
    if value is None:
        return None
    text = str(value)
    if not text.isascii() or not text.isdigit() or int(text[:9]) == 0:
        raise MalformedRequest(
            f"_count={text[:40]} is no number of resources from 1", expression="http._count"
        )
    return min(int(text[:9]), services.settings.page_size_max)


def _instant(arguments: Arguments, name: str, end: int) -> int | None:
    """The first or the last microsecond of a date parameter; None where it is not given."""
    text = arguments.text(name)
    if not text:
        return None
    try:
        return parse_instant_range(text.replace(" ", "+"))[end]
    except ValueError as error:
        raise MalformedRequest(f"{name}: {error}", expression=f"http.{name}") from None
