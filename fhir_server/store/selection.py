"""What searches need besides pages: ids, keys, and orders that no index has.

All of it under the caller's grant, as of one moment where one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.search.narrowing import narrowed
from fhir_server.store.database import Document
from fhir_server.store.indexes import Collections
from fhir_server.store.moments import Moments, Rows
from fhir_server.store.permission import both, shown
from fhir_server.store.transaction import Session

_LOT = 10_000


class Selections:
    """Queries that answer with less than resources."""

    def __init__(self, collections: Collections, moments: Moments) -> None:
        self._collections = collections
        self._moments = moments

    async def ids(
        self,
        type_: str,
        filter_: Filter,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
        milliseconds: int | None = None,
    ) -> Rows:
        """The `_id` of the resources that meet the filter, `limit` at most, in no order.

        Raises TooCostly where MongoDB takes longer than the milliseconds.
        """
        return await self._found(
            type_, filter_, {"_id": 1}, limit, grant, session, at_cluster_time, milliseconds
        )

    async def targets(
        self,
        type_: str,
        filter_: Filter,
        prefix: str | None,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None = None,
    ) -> Rows:
        """The `_id` of `limit` resources at most, and `t`, their keys with this prefix.

        Without a prefix `p`, the patient, in the place of `t`.
        """
        wanted: Document = {"p": 1} if prefix is None else {"t": _beginning(prefix)}
        return await self._found(type_, filter_, wanted, limit, grant, session, at_cluster_time)

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
        stages: list[Document] = [
            {"$project": {"_id": 0, "k": _beginning(prefix)}},
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

    async def _found(
        self,
        type_: str,
        filter_: Filter,
        fields: Document,
        limit: int,
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None,
        milliseconds: int | None = None,
    ) -> Rows:
        """These fields of the resources that meet the filter. For few a `find` takes half."""

        def find(guarded: Filter) -> Document:
            command: Document = {
                "find": type_,
                "filter": guarded,
                "projection": fields,
                "limit": limit,
                "batchSize": min(limit + 1, _LOT),
            }
            return command if milliseconds is None else {**command, "maxTimeMS": milliseconds}

        return await self._answer(type_, filter_, find, grant, session, at_cluster_time)

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

        def aggregate(guarded: Filter) -> Document:
            return {
                "aggregate": type_,
                "pipeline": [{"$match": guarded}, *stages],
                "cursor": {"batchSize": _LOT},
                "allowDiskUse": True,
            }

        return await self._answer(type_, filter_, aggregate, grant, session, at_cluster_time)

    async def _answer(
        self,
        type_: str,
        filter_: Filter,
        command: Callable[[Filter], Document],
        grant: Grant,
        session: Session | None,
        at_cluster_time: int | None,
    ) -> Rows:
        """What the command finds that is made for the filter and the grant's."""
        guard = shown(grant, type_, Action.SEARCH)
        if guard is NOTHING:
            return Rows([], at_cluster_time)
        if session is not None:
            await self._collections.ensure([type_])
        guarded = narrowed(type_, filter_, guard)
        return await self._moments.rows(command(guarded), at_cluster_time, session)


def _beginning(prefix: str) -> Document:
    """The keys of a document that begin so."""
    begins = [{"$gte": ["$$this", prefix]}, {"$lt": ["$$this", f"{prefix}\U0010ffff"]}]
    return {"$filter": {"input": "$k", "cond": {"$and": begins}}}
