"""What searches need besides pages: ids, keys, and orders that no index has.

All of it under the caller's grant, as of one moment where one is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.search.entries import narrowed
from fhir_server.store.database import Document
from fhir_server.store.indexes import Collections
from fhir_server.store.pages import Pages, Rows
from fhir_server.store.permission import both, shown
from fhir_server.store.transaction import Session

_LOT = 10_000


class Selections:
    """Queries that answer with less than resources."""

    def __init__(self, collections: Collections, pages: Pages) -> None:
        self._collections = collections
        self._pages = pages

    async def ids(
        self,
        type_: str,
        filter_: Filter,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
    ) -> Rows:
        """The `_id` of the resources that meet the filter, `limit` at most, in no order."""
        stages: list[Document] = [{"$limit": limit}, {"$project": {"_id": 1}}]
        return await self.ordered(type_, filter_, stages, grant, session, at_cluster_time)

    async def keys(
        self,
        type_: str,
        filter_: Filter,
        prefix: str,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
    ) -> Rows:
        """As `_id` the different keys with this prefix among resources that meet the filter."""
        begins = [{"$gte": ["$$this", prefix]}, {"$lt": ["$$this", f"{prefix}\U0010ffff"]}]
        stages: list[Document] = [
            {"$project": {"_id": 0, "k": {"$filter": {"input": "$k", "cond": {"$and": begins}}}}},
            {"$unwind": "$k"},
            {"$group": {"_id": "$k"}},
            {"$limit": limit},
        ]
        return await self.ordered(type_, filter_, stages, grant, session, at_cluster_time)

    async def patients(
        self,
        type_: str,
        filter_: Filter,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
    ) -> Rows:
        """As `_id` the different patients (`p`) of the resources that meet the filter."""
        theirs = both(filter_, {"p": {"$exists": True}})
        stages: list[Document] = [{"$group": {"_id": "$p"}}, {"$limit": limit}]
        return await self.ordered(type_, theirs, stages, grant, session, at_cluster_time)

    async def ordered(
        self,
        type_: str,
        filter_: Filter,
        stages: Sequence[Document],
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
    ) -> Rows:
        """What the aggregation stages make of the resources that meet the filter."""
        guard = shown(grant, type_, Action.SEARCH)
        if guard is NOTHING:
            return Rows([], at_cluster_time)
        if session is not None:
            await self._collections.ensure([type_])
        command: dict[str, Any] = {
            "aggregate": type_,
            "pipeline": [{"$match": narrowed(type_, filter_, guard)}, *stages],
            "cursor": {"batchSize": _LOT},
            "allowDiskUse": True,
        }
        return await self._pages.snapshot(command, at_cluster_time, session)
