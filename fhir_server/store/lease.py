"""A lease: of many processes one holds it, and loses it when it is heard of no more.

The time is MongoDB's own, so that the processes' clocks need not agree.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from fhir_server.errors import Unavailable
from fhir_server.store.background import end
from fhir_server.store.database import Database, available

SECONDS = 30


async def take(database: Database, name: str, owner: str, seconds: int = SECONDS) -> bool:
    """Take or renew the lease; False where another owner holds it."""
    # A lease that is not there has no `until`, and that comes before every time.
    free = {"$or": [{"$eq": ["$owner", owner]}, {"$lt": ["$until", "$$NOW"]}]}
    until = {"$add": ["$$NOW", seconds * 1000]}
    hold = [
        {
            "$set": {
                "owner": {"$cond": [free, owner, "$owner"]},
                "until": {"$cond": [free, until, "$until"]},
            }
        }
    ]
    with available():
        found = await database["leases"].find_one_and_update(
            {"_id": name}, hold, upsert=True, return_document=ReturnDocument.AFTER
        )
    return found is not None and found["owner"] == owner


async def release(database: Database, name: str, owner: str) -> None:
    """Give the lease back."""
    with available():
        await database["leases"].delete_one({"_id": name, "owner": owner})


@asynccontextmanager
async def held(database: Database, name: str, patience: float = 0) -> AsyncIterator[None]:
    """Hold the lease for as long as the block runs; wait `patience` seconds for another's end.

    Raises Unavailable where another process still holds it then.
    """
    owner = secrets.token_hex(8)
    until = asyncio.get_running_loop().time() + patience
    while not await take(database, name, owner):
        if asyncio.get_running_loop().time() > until:
            raise Unavailable(f"Another process is busy with this: {name}")
        await asyncio.sleep(0.1)

    async def renew() -> None:
        while True:
            await asyncio.sleep(SECONDS / 3)
            with suppress(PyMongoError, Unavailable):
                await take(database, name, owner)

    renewal = asyncio.create_task(renew())
    try:
        yield
    finally:
        await end(renewal)
        await release(database, name, owner)
