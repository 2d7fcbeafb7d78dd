"""Reading many documents as of one moment.

An answer tells the cluster time that it was read at; given back with the next command, that one
reads the same moment, whatever others write meanwhile, as long as MongoDB keeps its history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from bson import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from fhir_server.errors import TooCostly
from fhir_server.store.database import Database, Document, available
from fhir_server.store.transaction import Session

PAST = frozenset({72, 239, 246})
"""InvalidOptions, SnapshotTooOld, SnapshotUnavailable: the moment asked for cannot be read."""

QUICK_MILLISECONDS = 100
"""What searches together may take; longer ones are asked for one by one."""


class Rows(msgspec.Struct, frozen=True):
    """The documents of one snapshot command and the moment that it read."""

    documents: list[Document]
    cluster_time: int | None
    still: bool = True


class Moments:
    """Runs `find` and `aggregate` commands, each at one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(
        self, command: Document, at_cluster_time: int | None, session: Session | None
    ) -> Rows:
        """All rows of a `find` or `aggregate`: now, at an earlier moment, or in the transaction.

        Raises TooCostly where they take longer than the command's `maxTimeMS`.
        """
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
        with available():
            try:
                return await self._gather(command, mongo)
            except ExecutionTimeout as error:
                raise TooCostly(
                    "This search takes too long; narrow it, for instance by patient or by date"
                ) from error

    async def together(self, commands: Sequence[Document]) -> Sequence[Rows | None]:
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
