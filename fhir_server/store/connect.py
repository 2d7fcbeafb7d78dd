"""A store on a database that is fit for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fhir_server.store import migrations
from fhir_server.store.background import end
from fhir_server.store.database import Database
from fhir_server.store.resources import MAX_BLOB_BYTES, Store


@asynccontextmanager
async def open_store(
    uri: str, name: str, *, max_blob_bytes: int = MAX_BLOB_BYTES
) -> AsyncIterator[Store]:
    """The store of a database, closed again at the end.

    Raises Unavailable where the database cannot be reached, is no replica set, is not migrated or
    is newer than this program.
    """
    database = Database(uri, name)
    try:
        await database.check()
        await migrations.check(database)
        store = Store(database, max_blob_bytes)
        sweeping = asyncio.create_task(store.blobs.keep_swept())
        try:
            yield store
        finally:
            await end(sweeping)
    finally:
        await database.close()
