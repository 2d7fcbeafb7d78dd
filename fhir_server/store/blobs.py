"""Resources too large for a MongoDB document: their bytes lie in GridFS.

GridFS knows no transactions. So the file is written first and the document that points to it
afterwards; a file that no document came to point to is removed by `sweep`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import NoFile
from msgspec.structs import replace
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_server.errors import ServerFault, TooLarge, Unavailable
from fhir_server.store import lease
from fhir_server.store.database import Database, available
from fhir_server.store.indexes import Collections
from fhir_server.store.version import Version, history_id

LARGE = 8 * 1024 * 1024
"""More bytes than this go to GridFS; the keys must fit beside the rest (MongoDB's limit: 16 MB)."""

_SMALL = 1024 * 1024
"""So many bytes have room beside any keys."""

_BESIDE = 1_000
"""Bytes that a key may take, with all that the index has of it."""

BUCKET = "blobs"
YOUNG = timedelta(hours=1)
SWEEP_SECONDS = 3600


def is_large(version: Version) -> bool:
    """Whether the bytes of a version need a file, so that its keys have room in the document."""
    size = len(version.raw)
    if size <= _SMALL or version.keys is None:
        return size > LARGE
    return size + _BESIDE * len(version.keys.k) > LARGE


class Blobs:
    """The files of large resources; `limit` is the largest resource in bytes that is taken."""

    def __init__(self, database: Database, collections: Collections, limit: int) -> None:
        self._database = database
        self._collections = collections
        self._limit = limit
        self._bucket = AsyncGridFSBucket(database.handle, BUCKET, chunk_size_bytes=1024 * 1024)

    async def put(self, version: Version) -> Version:
        """The version with its bytes in a file. Raises TooLarge beyond the limit."""
        if len(version.raw) > self._limit:
            raise TooLarge(
                f"This {version.type} has {len(version.raw)} bytes; "
                f"the largest that is kept has {self._limit}"
            )
        metadata = {"type": version.type, "id": version.id, "version": version.version}
        with available():
            blob = await self._bucket.upload_from_stream(version.id, version.raw, metadata=metadata)
        return replace(version, blob=blob)

    async def get(self, blob: ObjectId) -> bytes:
        """All bytes of a file."""
        return b"".join([part async for part in self.stream(blob)])

    async def stream(self, blob: ObjectId) -> AsyncIterator[bytes]:
        """The bytes of a file in parts of one MiB."""
        with available():
            try:
                file = await self._bucket.open_download_stream(blob)
            except NoFile as error:
                raise ServerFault(f"The file {blob} of a large resource is missing") from error
            while part := await file.readchunk():
                yield bytes(part)

    async def sweep(self, now: datetime | None = None) -> int:
        """Remove the files that no document points to; how many there were.

        Files younger than an hour are left: their document may be about to come.
        """
        before = (now or datetime.now(UTC)) - YOUNG
        files = self._database.handle.get_collection(
            f"{BUCKET}.files", read_concern=ReadConcern("majority")
        )
        removed = 0
        with available():
            async for file in files.find({"uploadDate": {"$lt": before}}, {"metadata": 1}):
                if not await self._used(file["_id"], file["metadata"]):
                    await self._bucket.delete(file["_id"])
                    removed += 1
        return removed

    async def keep_swept(self) -> None:
        """Sweep once an hour, one process of all on this database, until cancelled."""
        owner = secrets.token_hex(8)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with suppress(Unavailable, PyMongoError):
                if await lease.take(self._database, "sweep", owner, SWEEP_SECONDS * 2):
                    await self.sweep()

    async def _used(self, blob: ObjectId, metadata: dict[str, str | int]) -> bool:
        type_, id_ = str(metadata["type"]), str(metadata["id"])
        current = self._collections.current(type_)
        if await current.find_one({"_id": id_, "f": blob}, {"_id": 1}):
            return True
        # Looked for second: a version moves from the one to the other, never back.
        history = self._collections.history(type_)
        old = {"_id": history_id(id_, int(metadata["version"])), "f": blob}
        return await history.find_one(old, {"_id": 1}) is not None
