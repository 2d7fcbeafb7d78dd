"""What every process must know of at once: the resources of some types, and each change of them.

By a change stream of MongoDB, which also brings what other processes write. Resources that are too
large for a document of their own are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from pymongo.errors import PyMongoError

from fhir_server.store.background import end
from fhir_server.store.database import Database, Document

__all__ = ["Adopt", "followed"]

log = structlog.get_logger()

Adopt = Callable[[str, str, bytes | None], None]
"""Type, id, and the resource's bytes; None where it is gone."""

PAUSE = 1.0
"""Seconds until a broken stream is opened again."""

_WRITES = ["insert", "replace", "update", "delete"]
_FIELDS = {"raw": 1, "x": 1}


@asynccontextmanager
async def followed(database: Database, types: Sequence[str], adopt: Adopt) -> AsyncIterator[None]:
    """Meanwhile `adopt` is called for what is stored and for each change; first for all there is.

    A broken stream is opened again, and then all is adopted anew.
    """
    ready = asyncio.Event()
    task = asyncio.create_task(_keep(database, types, adopt, ready))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        waiting.cancel()
        await end(task)


async def _keep(
    database: Database, types: Sequence[str], adopt: Adopt, ready: asyncio.Event
) -> None:
    while True:
        try:
            await _follow(database, types, adopt, ready)
        except PyMongoError as error:
            log.warning("changes are not followed; trying again", error=str(error))
            await asyncio.sleep(PAUSE)


async def _follow(
    database: Database, types: Sequence[str], adopt: Adopt, ready: asyncio.Event
) -> None:
    wanted: list[Document] = [
        {"$match": {"ns.coll": {"$in": list(types)}, "operationType": {"$in": _WRITES}}},
        {"$project": {"operationType": 1, "ns": 1, "documentKey": 1, "fullDocument": _FIELDS}},
    ]
    async with await database.handle.watch(wanted, full_document="updateLookup") as stream:
        for type_ in types:
            async for document in database[type_].find({}, _FIELDS):
                _adopt(type_, str(document["_id"]), document, adopt)
        ready.set()
        async for change in stream:
            found = change.get("fullDocument") or {}
            _adopt(change["ns"]["coll"], str(change["documentKey"]["_id"]), found, adopt)


def _adopt(type_: str, id_: str, document: Document, adopt: Adopt) -> None:
    raw = document.get("raw")
    adopt(type_, id_, None if raw is None or document.get("x") else bytes(raw))
