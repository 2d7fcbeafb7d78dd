"""Pages of search results by keyset, each read as of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.search.narrowing import narrowed
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import Database, Document, available
from fhir_server.store.groups import Group
from fhir_server.store.indexes import Collections
from fhir_server.store.moments import Moments, Rows
from fhir_server.store.permission import JUDGED, both, judged, shown
from fhir_server.store.transaction import Session
from fhir_server.store.version import SHOWN, Version, parse, parse_current

Sort = Sequence[tuple[str, int]]

EVERY: Filter = {"k": "*"}
BY_ID: Sort = (("_id", 1),)
STREAM_LOT = 500

LANES = 2
TOGETHER = 16
"""Searches of one type that go out together, and how many such calls may be under way."""
SHARED_ROWS = 250
"""The largest page that is asked for together with others."""


class PageQuery(msgspec.Struct, frozen=True):
    """`limit` rows of one type; `filter` and `sort` are over the document's fields.

    `at_cluster_time` is what an earlier page said; `keys` asks for each row's search keys,
    `patients` for `p` in each document; `hint` names an index; `milliseconds` is how long MongoDB
    may take.
    """

    type: str
    filter: Filter
    sort: Sort = BY_ID
    limit: int = 20
    at_cluster_time: int | None = None
    hint: str | None = None
    keys: bool = False
    patients: bool = False
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


class Pages:
    """Queries over many resources."""

    def __init__(
        self, database: Database, moments: Moments, collections: Collections, blobs: Blobs
    ) -> None:
        self._database = database
        self._moments = moments
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
            rows = await self._moments.rows(command, query.at_cluster_time, session)
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
        rows = await self._moments.rows(command, at_cluster_time, session)
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

    def _shared(self, type_: str) -> Group[Document, Rows | None]:
        group = self._groups.get(type_)
        if group is None:
            together = self._moments.together
            group = self._groups[type_] = Group(together, lanes=LANES, most=TOGETHER)
        return group


def find_command(query: PageQuery, grant: Grant) -> Document | None:
    """The `find` of a page; None where the grant shows nothing of the type."""
    guard = shown(grant, query.type, Action.SEARCH)
    if guard is NOTHING:
        return None
    fields: Document = {**SHOWN, **{name: 1 for name, _ in query.sort}}
    if query.keys:
        fields |= {"k": 1, "p": 1, "d": 1, "e": 1}
    if query.patients:
        fields["p"] = 1
    if grant.judges:
        fields |= JUDGED
    command: Document = {
        "find": query.type,
        "filter": guarded(query.type, query.filter or EVERY, guard, ordered=True),
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


def guarded(type_: str, filter_: Filter, guard: Filter, *, ordered: bool = False) -> Filter:
    """Both at once, as the index has it, in a shape that leaves MongoDB the plan for `filter_`.

    `ordered` where the first of an order are wanted.

    The branches of an `$or` at the top are each a scan in order: the guard goes into every one.
    """
    if filter_.keys() == {"$or"}:
        branches = [guarded(type_, one, guard, ordered=ordered) for one in filter_["$or"]]
        return {"$or": branches}
    if "k" not in filter_:
        # Tombstones have no keys; a filter that asks for none must not find them.
        filter_ = {**filter_, "x": None}
    return narrowed(type_, filter_, guard, ordered=ordered)


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
