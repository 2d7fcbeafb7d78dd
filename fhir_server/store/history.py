"""The history of a resource, of a type and of the whole system.

https://hl7.org/fhir/R4/http.html#history

Versions come in one order: by instant, then type, id and version. Current versions and tombstones
lie in one collection of a type, replaced ones in another; one aggregation merges them at one
moment, so that a version which moves meanwhile is neither missed nor shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.errors import NotFound, TooCostly
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import Document
from fhir_server.store.indexes import SUFFIX, Collections
from fhir_server.store.moments import Moments
from fhir_server.store.permission import JUDGED, both, judged, shown
from fhir_server.store.transaction import Session
from fhir_server.store.version import SHOWN, Version, history_id, parse

MOST_AT_ONCE = 100_000
"""How many resources may have changed since the start of `_at` before it is refused."""


class Place(NamedTuple):
    """Where a page of history ends."""

    updated: int
    type: str
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which versions. No `type`: of the whole system; no `id`: of the whole type.

    `since` keeps what was stored at or after an instant; `at`, two instants, what was current at
    any time from the one to the other. `order` is -1 for newest first, 1 for oldest first.
    `after` and `at_cluster_time` are what an earlier page said. `total` asks for the count.
    """

    type: str | None = None
    id: str | None = None
    since: int | None = None
    at: tuple[int, int] | None = None
    after: Place | None = None
    count: int = 20
    order: int = -1
    at_cluster_time: int | None = None
    total: bool = True


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What was found; `after` is there when more follow. `still` as in a search page."""

    versions: list[Version]
    total: int | None
    after: Place | None
    cluster_time: int | None
    still: bool


class _Source(NamedTuple):
    """One collection's part of a history: its filter, and where it keeps the id.

    `now` is what the current version must meet for a past one to be shown; `{}` for nothing.
    """

    collection: str
    type: str
    id: str
    filter: Filter
    now: Filter

    def stages(self) -> list[Document]:
        """What leaves this source's rows."""
        found: list[Document] = [{"$match": self.filter}]
        if self.now:
            current: list[Document] = [{"$match": self.now}, {"$project": {"_id": 1}}]
            found += [
                {
                    "$lookup": {
                        **{"from": self.type, "localField": "i", "foreignField": "_id"},
                        **{"pipeline": current, "as": "now"},
                    }
                },
                {"$match": {"now": {"$ne": []}}},
            ]
        return found


class Histories:
    """Reads histories."""

    def __init__(self, collections: Collections, moments: Moments, blobs: Blobs) -> None:
        self._collections = collections
        self._moments = moments
        self._blobs = blobs

    async def history(
        self, query: HistoryQuery, grant: Grant, session: Session | None = None
    ) -> HistoryPage:
        """One page. Raises NotFound for a resource that never existed or is not shown."""
        action = Action.READ if query.id else Action.SEARCH
        types = [query.type] if query.type else await self._collections.types()
        if session is not None:
            await self._collections.ensure(types)
        sources: list[_Source] = []
        for type_ in types:
            guard = shown(grant, type_, action, tombstones=True)
            if guard is not NOTHING:
                past = shown(grant, type_, action, tombstones=True, history=True)
                sources += _sources(type_, query.id, guard, past)
        if not sources and query.id:
            raise NotFound(f"{query.type}/{query.id} does not exist")
        if not sources:
            return HistoryPage([], 0 if query.total else None, None, query.at_cluster_time, True)
        everything = sources
        sources = await self._within(sources, query, session)
        command = _page(sources, query, JUDGED if grant.judges else {})
        rows = await self._moments.rows(command, query.at_cluster_time, session)
        if query.id and not rows.documents and not await self._exists(everything, session):
            raise NotFound(f"{query.type}/{query.id} does not exist")
        total = None
        if query.total:
            command = _union(sources, [{"$count": "n"}], [{"$group": _SUM}])
            counted = await self._moments.rows(command, rows.cluster_time, session)
            total = counted.documents[0]["n"] if counted.documents else 0
        found = rows.documents
        after = None
        if len(found) > query.count:
            del found[query.count :]
            if found:
                last = found[-1]
                after = Place(last["u"], last["t"], last["i"], last["v"])
        if grant.judges:
            permitted = [one for one in found if judged(grant, one["t"], one, (action,))]
            if query.id and found and not permitted:
                raise NotFound(f"{query.type}/{query.id} does not exist")
            found = permitted
        versions: list[Version] = []
        for document in _once(found):
            versions.append(await self._blobs.whole(parse(document["t"], document)))
        return HistoryPage(versions, total, after, rows.cluster_time, rows.still)

    async def _exists(self, sources: list[_Source], session: Session | None) -> bool:
        command = _union(sources, [{"$limit": 1}, {"$project": {"_id": 1}}], [{"$limit": 1}])
        rows = await self._moments.rows(command, None, session)
        return bool(rows.documents)

    async def _within(
        self, sources: list[_Source], query: HistoryQuery, session: Session | None
    ) -> list[_Source]:
        """The sources narrowed to the instants that the query asks for."""
        if query.since is not None:
            since = {"u": {"$gte": query.since}}
            sources = [one._replace(filter=both(since, one.filter)) for one in sources]
        if query.at is None:
            return sources
        start, end = query.at
        narrowed: list[_Source] = []
        for one in sources:
            during: Filter = {"u": {"$gte": start, "$lte": end}}
            if one.collection == one.type:
                during = {"u": {"$lte": end}}
            else:
                ended = await self._replaced_since(one, query, start, session)
                during = {"$or": [during, {"_id": {"$in": ended}, "u": {"$lt": start}}]}
            narrowed.append(one._replace(filter=both(during, one.filter)))
        return narrowed

    async def _replaced_since(
        self, source: _Source, query: HistoryQuery, start: int, session: Session | None
    ) -> list[str]:
        """The history ids of the versions before each resource's first one after `start`."""
        later = [
            one._replace(filter=both({"u": {"$gt": start}}, _of(one, query.id)))
            for one in _sources(source.type, None, {}, {})
        ]
        first: list[Document] = [
            {"$group": {"_id": "$i", "v": {"$min": "$v"}}},
            {"$limit": MOST_AT_ONCE + 1},
        ]
        rows = await self._moments.rows(_union(later, [], first), query.at_cluster_time, session)
        if len(rows.documents) > MOST_AT_ONCE:
            raise TooCostly(
                f"More than {MOST_AT_ONCE} resources of {source.type} have changed since then; "
                "ask for a later _at, or for single resources"
            )
        return [history_id(row["_id"], row["v"] - 1) for row in rows.documents if row["v"] > 1]


_SUM: Document = {"_id": None, "n": {"$sum": "$n"}}


def _sources(type_: str, id_: str | None, guard: Filter, past: Filter) -> list[_Source]:
    current = _Source(type_, type_, "_id", guard, {})
    replaced = _Source(type_ + SUFFIX, type_, "i", past, guard)
    return [one._replace(filter=both(_of(one, id_), one.filter)) for one in (current, replaced)]


def _of(source: _Source, id_: str | None) -> Filter:
    if id_ is None:
        return {}
    if source.id == "_id":
        return {"_id": id_}
    # "/" is in no id and comes before "0": the versions of one resource, by the index on `_id`.
    return {"_id": {"$gte": f"{id_}/", "$lt": f"{id_}0"}}


def _union(sources: list[_Source], each: list[Document], then: list[Document]) -> Document:
    """One aggregation over all sources: `each` runs on every one of them, `then` on them all."""
    pipelines = [
        [
            *one.stages(),
            *each,
            {"$addFields": {"t": one.type, **({"i": "$_id"} if one.id == "_id" else {})}},
        ]
        for one in sources
    ]
    head, *others = zip(sources, pipelines, strict=True)
    unions = [{"$unionWith": {"coll": one.collection, "pipeline": part}} for one, part in others]
    return {
        "aggregate": head[0].collection,
        "pipeline": [*head[1], *unions, *then],
        "cursor": {"batchSize": 10_000},
        "allowDiskUse": True,
    }


def _page(sources: list[_Source], query: HistoryQuery, fields: Document) -> Document:
    up = query.order
    placed = []
    for one in sources:
        if query.after is not None:
            one = one._replace(filter=both(_beyond(one, query.after, up), one.filter))
        placed.append(one)
    return _merged(placed, up, query.count + 1, fields)


def _merged(sources: list[_Source], up: int, limit: int, more: Document) -> Document:
    fields = {**SHOWN, "i": 1, **more}
    pipelines: list[tuple[_Source, list[Document]]] = [
        (
            one,
            [
                *one.stages(),
                {"$sort": {"u": up, one.id: -up, "v": -up}},
                {"$limit": limit},
                {"$project": fields},
                {"$addFields": {"t": one.type, **({"i": "$_id"} if one.id == "_id" else {})}},
            ],
        )
        for one in sources
    ]
    head, *others = pipelines
    unions = [{"$unionWith": {"coll": one.collection, "pipeline": part}} for one, part in others]
    order = {"u": up, "t": -up, "i": -up, "v": -up}
    return {
        "aggregate": head[0].collection,
        "pipeline": [*head[1], *unions, {"$sort": order}, {"$limit": limit}],
        "cursor": {"batchSize": limit + 1},
        "allowDiskUse": True,
    }


def _beyond(source: _Source, after: Place, up: int) -> Filter:
    """What comes after a place in the one order: by `u`, then the other way round by the rest."""
    past, rest = ("$gt", "$lt") if up > 0 else ("$lt", "$gt")
    later: Filter = {"u": {past: after.updated}}
    if source.type == after.type:
        same: Filter = {"u": after.updated}
        more: list[Filter] = [
            later,
            {**same, source.id: {rest: after.id}},
            {**same, source.id: after.id, "v": {rest: after.version}},
        ]
        return {"u": {past + "e": after.updated}, "$or": more}
    comes = source.type < after.type if up > 0 else source.type > after.type
    return {"u": {past + "e": after.updated}} if comes else later


def _once(documents: list[Document]) -> list[Document]:
    """Without the copy that an interrupted update left beside the version itself."""
    seen: set[Any] = set()
    kept: list[Document] = []
    for document in documents:
        place = (document["t"], document["i"], document["v"])
        if place not in seen:
            seen.add(place)
            kept.append(document)
    return kept
