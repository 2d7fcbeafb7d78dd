"""Pages of search results by keyset, each read as of one moment.

A page tells the cluster time that it was read at; given back with the next query, that page reads
the same moment, whatever others write meanwhile, as long as MongoDB keeps its history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from bson import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.errors import TooCostly
from fhir_server.search.narrowing import narrowed
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import Database, Document, available
from fhir_server.store.groups import Group
from fhir_server.store.indexes import Collections
from fhir_server.store.permission import JUDGED, both, judged, shown
from fhir_server.store.transaction import Session
from fhir_server.store.version import SHOWN, Version, parse, parse_current

Sort = Sequence[tuple[str, int]]

EVERY: Filter = {"k": "*"}
BY_ID: Sort = (("_id", 1),)
NEVER_NULL = frozenset({"_id", "u", "v", "i"})
PAST = frozenset({72, 239, 246})
"""InvalidOptions, SnapshotTooOld, SnapshotUnavailable: the moment asked for cannot be read."""

STREAM_LOT = 500

LANES = 2
TOGETHER = 16
"""Searches of one type that go out together, and how many such calls may be under way."""
SHARED_ROWS = 250
"""The largest page that is asked for together with others."""
QUICK_MILLISECONDS = 100
"""What searches together may take; longer ones are asked for one by one."""


class PageQuery(msgspec.Struct, frozen=True):
    """`limit` rows of one type; `filter` and `sort` are over the document's fields.

    `at_cluster_time` is what an earlier page said; `keys` asks for each row's search keys; `hint`
    names an index; `milliseconds` is how long MongoDB may take.
    """

    type: str
    filter: Filter
    sort: Sort = BY_ID
    limit: int = 20
    at_cluster_time: int | None = None
    hint: str | None = None
    keys: bool = False
    milliseconds: int | None = None


class Page(msgspec.Struct, frozen=True):
    """What was found, in order.

    `cluster_time` is the moment that was read, None inside a transaction. `still` is False when the
    moment asked for is past and the page shows what is there now. `rows` are the documents, `order`
    the names of the fields that they are sorted by.
    """

    versions: list[Version] = []
    cluster_time: int | None = None
    still: bool = True
    rows: Sequence[Document] = ()
    order: Sequence[str] = ()

    def place(self, at: int) -> tuple[Any, ...]:
        """Where the row at an index stands in the order: its values of the sort's fields."""
        row = self.rows[at]
        return tuple([row.get(name) for name in self.order])

    def followed(self, by: Page) -> Page:
        """This page and, behind it, one of the same order."""
        versions, rows = [*self.versions, *by.versions], [*self.rows, *by.rows]
        return Page(versions, by.cluster_time, self.still and by.still, rows, by.order)


class Rows(msgspec.Struct, frozen=True):
    """The documents of one snapshot command and the moment that it read."""

    documents: list[Document]
    cluster_time: int | None
    still: bool = True


class Pages:
    """Queries over many resources."""

    def __init__(self, database: Database, collections: Collections, blobs: Blobs) -> None:
        self._database = database
        self._collections = collections
        self._blobs = blobs
        self._groups: dict[str, Group[Document, Rows | None]] = {}

    async def page(self, query: PageQuery, grant: Grant, session: Session | None = None) -> Page:
        """One page. Raises TooCostly when it takes longer than the query's `milliseconds`."""
        command = find_command(query, grant)
        if command is None:
            return Page(cluster_time=query.at_cluster_time)
        rows: Rows | None = None
        if session is not None:
            await self._collections.ensure([query.type])
        elif _may_share(query):
            rows = await self._shared(query.type).submit(command)
        if rows is None:
            rows = await self.snapshot(command, query.at_cluster_time, session)
        if grant.judges:
            searched = (Action.SEARCH,)
            kept = [one for one in rows.documents if judged(grant, query.type, one, searched)]
            rows = Rows(kept, rows.cluster_time, rows.still)
        if query.keys:
            versions = [parse(query.type, row) for row in rows.documents]
        else:
            versions = parse_current(query.type, rows.documents)
        for at, row in enumerate(rows.documents):
            if "f" in row:
                versions[at] = await self._blobs.whole(versions[at])
        order = [name for name, _ in query.sort]
        return Page(versions, rows.cluster_time, rows.still, rows.documents, order)

    async def count(
        self,
        type_: str,
        filter_: Filter,
        grant: Grant,
        session: Session | None = None,
        at_cluster_time: int | None = None,
    ) -> int:
        """How many resources of the type meet the filter, of those that the grant shows."""
        guard = shown(grant, type_, Action.SEARCH)
        if guard is NOTHING:
            return 0
        if session is not None:
            await self._collections.ensure([type_])
        pipeline = [{"$match": guarded(type_, filter_ or EVERY, guard)}, {"$count": "n"}]
        command = {"aggregate": type_, "pipeline": pipeline, "cursor": {}}
        rows = await self.snapshot(command, at_cluster_time, session)
        return int(rows.documents[0]["n"]) if rows.documents else 0

    async def stream(self, type_: str, filter_: Filter, grant: Grant) -> AsyncIterator[Version]:
        """All that meet the filter, in the order of their ids, each as it is when its turn comes.

        What was there all the time comes exactly once.
        """
        after = ""
        while True:
            rest = both(filter_ or EVERY, {"_id": {"$gt": after}})
            page = await self.page(PageQuery(type_, rest, BY_ID, STREAM_LOT, keys=True), grant)
            for version in page.versions:
                yield version
            if len(page.versions) < STREAM_LOT:
                return
            after = page.versions[-1].id

    async def explain(self, query: PageQuery, grant: Grant) -> Document:
        """MongoDB's account of the page: index, keys and documents examined, milliseconds."""
        command = find_command(query, grant)
        if command is None:
            nothing: Document = dict.fromkeys(("keys", "documents", "returned", "milliseconds"), 0)
            return {"indexes": [], "stages": [], "filter": NOTHING, **nothing}
        with available():
            answer = await self._database.handle.command(
                {"explain": command, "verbosity": "executionStats"}
            )
        stats = answer["executionStats"]
        return {
            "indexes": sorted(set(_indexes(stats["executionStages"]))),
            "stages": list(_stages(stats["executionStages"])),
            "keys": stats["totalKeysExamined"],
            "documents": stats["totalDocsExamined"],
            "returned": stats["nReturned"],
            "milliseconds": stats["executionTimeMillis"],
            "filter": command["filter"],
        }

    async def snapshot(
        self, command: Document, at_cluster_time: int | None, session: Session | None
    ) -> Rows:
        """Run a `find` or `aggregate` at one moment and gather all its rows."""
        if session is not None:
            return await self._gather(dict(command), session.mongo)
        concern: Document = {"level": "snapshot"}
        if at_cluster_time is not None:
            concern["atClusterTime"] = Timestamp(
                at_cluster_time >> 32, at_cluster_time & 0xFFFFFFFF
            )
        client = self._database.client
        for attempt in range(20):
            async with client.start_session(causal_consistency=False) as mongo:
                try:
                    return await self._in_time({**command, "readConcern": concern}, mongo)
                except OperationFailure as error:
                    if error.code not in PAST:
                        raise
            if at_cluster_time is None:
                # The collection has just been made: the next moment has it.
                await asyncio.sleep(0.01 * attempt)
                continue
            break
        async with client.start_session(causal_consistency=False) as mongo:
            late = {**command, "readConcern": {"level": "majority"}}
            rows = await self._in_time(late, mongo)
        return Rows(rows.documents, None, still=at_cluster_time is None)

    async def _in_time(self, command: Document, mongo: AsyncClientSession) -> Rows:
        """All rows. Raises TooCostly where they take longer than the command's `maxTimeMS`."""
        with available():
            try:
                return await self._gather(command, mongo)
            except ExecutionTimeout as error:
                raise too_costly() from error

    def _shared(self, type_: str) -> Group[Document, Rows | None]:
        group = self._groups.get(type_)
        if group is None:
            group = self._groups[type_] = Group(self._together, lanes=LANES, most=TOGETHER)
        return group

    async def _together(self, commands: Sequence[Document]) -> Sequence[Rows | None]:
        """The rows of `find` commands on one type, asked for at once.

        None for each where that fails or takes longer than quick searches do: then each is asked
        for by itself, and a slow one delays nobody else.
        """
        command = commands[0] if len(commands) == 1 else united(commands)
        command = {
            **command,
            "maxTimeMS": QUICK_MILLISECONDS,
            "readConcern": {"level": "snapshot"},
        }
        client = self._database.client
        async with client.start_session(causal_consistency=False) as mongo:
            try:
                rows = await self._gather(command, mongo)
            except PyMongoError:
                return [None] * len(commands)
        if len(commands) == 1:
            return [rows]
        shares: list[list[Document]] = [[] for _ in commands]
        for document in rows.documents:
            shares[document.pop("q")].append(document)
        return [Rows(share, rows.cluster_time) for share in shares]

    async def _gather(self, command: Document, mongo: AsyncClientSession) -> Rows:
        run = self._database.handle.command
        cursor = (await run(command, session=mongo))["cursor"]
        documents: list[Document] = cursor["firstBatch"]
        moment = cursor.get("atClusterTime")
        collection = cursor["ns"].partition(".")[2]
        while cursor["id"]:
            more = {"getMore": cursor["id"], "collection": collection}
            cursor = (await run(more, session=mongo))["cursor"]
            documents += cursor["nextBatch"]
        return Rows(documents, (moment.time << 32 | moment.inc) if moment else None)


def find_command(query: PageQuery, grant: Grant) -> Document | None:
    """The `find` of a page; None where the grant shows nothing of the type."""
    guard = shown(grant, query.type, Action.SEARCH)
    if guard is NOTHING:
        return None
    fields: Document = {**SHOWN, **{name: 1 for name, _ in query.sort}}
    if query.keys:
        fields |= {"k": 1, "p": 1, "d": 1, "e": 1}
    if grant.judges:
        fields |= JUDGED
    command: Document = {
        "find": query.type,
        "filter": guarded(query.type, query.filter or EVERY, guard),
        "sort": dict(query.sort),
        "limit": query.limit,
        "batchSize": query.limit + 1,
        "projection": fields,
    }
    if query.hint:
        command["hint"] = query.hint
    if query.milliseconds:
        command["maxTimeMS"] = query.milliseconds
    return command


def _may_share(query: PageQuery) -> bool:
    return (
        query.at_cluster_time is None
        and query.hint is None
        and query.milliseconds is None
        and query.limit <= SHARED_ROWS
    )


def united(commands: Sequence[Document]) -> Document:
    """One `aggregate` for several `find`s; `q` says whose a row is, its place in `commands`."""
    first, *others = [_as_stages(command, at) for at, command in enumerate(commands)]
    return {
        "aggregate": commands[0]["find"],
        "pipeline": [
            *first,
            *(
                {"$unionWith": {"coll": command["find"], "pipeline": stages}}
                for command, stages in zip(commands[1:], others, strict=True)
            ),
        ],
        "cursor": {"batchSize": sum(command["limit"] for command in commands) + 1},
    }


def _as_stages(find: Document, place: int) -> list[Document]:
    return [
        {"$match": find["filter"]},
        {"$sort": find["sort"]},
        {"$limit": find["limit"]},
        {"$project": {**find["projection"], "q": {"$literal": place}}},
    ]


def guarded(type_: str, filter_: Filter, guard: Filter) -> Filter:
    """Both at once, as the index has it, in a shape that leaves MongoDB the plan for `filter_`.

    The branches of an `$or` at the top are each a scan in order: the guard goes into every one.
    """
    if filter_.keys() == {"$or"}:
        return {"$or": [guarded(type_, branch, guard) for branch in filter_["$or"]]}
    if "k" not in filter_:
        # Tombstones have no keys; a filter that asks for none must not find them.
        filter_ = {**filter_, "x": None}
    return narrowed(type_, filter_, guard)


def too_costly() -> TooCostly:
    """The error for a query that was ended because it took too long."""
    return TooCostly("This search takes too long; narrow it, for instance by patient or by date")


def _indexes(stage: Document) -> list[str]:
    found = [str(stage["indexName"])] if "indexName" in stage else []
    for below in (*stage.get("inputStages", ()), stage.get("inputStage")):
        if below:
            found += _indexes(below)
    return found


def _stages(stage: Document) -> list[str]:
    found = [str(stage.get("stage", ""))]
    for below in (*stage.get("inputStages", ()), stage.get("inputStage")):
        if below:
            found += _stages(below)
    return found
