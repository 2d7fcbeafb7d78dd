"""Resources too large for a MongoDB document: their bytes lie in GridFS.

Of a Binary the document keeps the outline, all but the data; the file has the data alone, as base64
without blanks, so that any part of it is found without reading the rest. Of any other resource, and
of a Binary whose base64 has blanks in it, the file has all bytes.

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
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from fhir_server.errors import TooLarge, Unavailable
from fhir_server.fhir.base64_parts import take_apart
from fhir_server.store import lease
from fhir_server.store.database import Database, Document, available
from fhir_server.store.files import CHUNK, Files, Stored
from fhir_server.store.indexes import Collections
from fhir_server.store.version import Blob, Version, history_id

LARGE = 8 * 1024 * 1024
"""More bytes than this go to GridFS; the keys must fit beside the rest (MongoDB's limit: 16 MB)."""

_SMALL = 1024 * 1024
"""So many bytes have room beside any keys."""

_BESIDE = 1_000
"""Bytes that a key may take, with all that the index has of it."""

BUCKET = "blobs"
YOUNG = timedelta(hours=1)
SLOWEST = timedelta(days=1)
"""What a file may take from its first byte to its last."""

SWEEP_SECONDS = 3600


def is_large(version: Version) -> bool:
    """Whether the bytes of a version need a file, so that its keys have room in the document."""
    size = len(version.raw)
    if size <= _SMALL or version.keys is None:
        return size > LARGE
    return size + _BESIDE * len(version.keys.k) > LARGE


class Blobs:
    """The files of large resources; `limit` is the largest resource in bytes that is taken.

    Of a Binary the content counts, not its base64.
    """

    def __init__(self, database: Database, collections: Collections, limit: int) -> None:
        self.files = Files(database, BUCKET)
        self.limit = limit
        self._database = database
        self._collections = collections

    async def put(self, version: Version) -> Version:
        """The version with its bytes in a file. Raises TooLarge beyond the limit."""
        apart = take_apart(version.raw) if version.type == "Binary" else None
        size = len(version.raw) if apart is None else max(len(apart.outline), apart.size)
        if size > self.limit:
            raise TooLarge(
                f"This {version.type} has {size} bytes; the largest that is kept has {self.limit}"
            )
        metadata = _metadata(version)
        file = await self.files.begin()
        if apart is None or len(apart.outline) > _SMALL:
            content, blob = version.raw, Blob(file.id)
        else:
            content, blob = apart.data, Blob(file.id, apart.outline, apart.at)
            metadata["size"] = apart.size
        for at in range(0, len(content), CHUNK):
            await file.write(content[at : at + CHUNK])
        await file.close(metadata)
        return replace(version, blob=blob)

    async def keep(self, version: Version) -> None:
        """Say whose file this is, of a version whose bytes came before it (`store.uploads`)."""
        if version.blob is not None:
            await self.files.describe(version.blob.file, _metadata(version))

    async def whole(self, version: Version) -> Version:
        """The version with its bytes, fetched where they lie in a file."""
        if version.blob is None or version.raw:
            return version
        return replace(version, raw=b"".join([part async for part in self.content(version.blob)]))

    async def content(self, blob: Blob) -> AsyncIterator[bytes]:
        """The bytes of a resource in parts of one MiB."""
        file = await self.files.open(blob.file)
        if blob.outline:
            yield blob.outline[: blob.at]
        async for part in file.read():
            yield part
        if blob.outline:
            yield blob.outline[blob.at :]

    async def sweep(self, now: datetime | None = None) -> int:
        """Remove the files that no document points to; how many there were.

        Files younger than an hour are left: their document may be about to come. So is for a day
        what was begun: it may still be on its way.
        """
        now = now or datetime.now(UTC)
        removed = await self.files.remove_unclosed(now - SLOWEST)
        old = {"uploadDate": {"$lt": now - YOUNG}}
        with available():
            async for document in self.files.described.find(old):
                removed += await self.release(Stored(self.files, document))
        return removed

    async def release(self, file: Stored) -> bool:
        """Remove a file unless a document points to it; whether it was removed."""
        if await self._used(file.id, file.metadata):
            return False
        await self.files.remove(file.id)
        return True

    async def keep_swept(self) -> None:
        """Sweep once an hour, one process of all on this database, until cancelled."""
        owner = secrets.token_hex(8)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with suppress(Unavailable, PyMongoError):
                if await lease.take(self._database, "sweep", owner, SWEEP_SECONDS * 2):
                    await self.sweep()

    async def _used(self, file: ObjectId, metadata: Document) -> bool:
        if "id" not in metadata:
            return False
        type_, id_ = str(metadata["type"]), str(metadata["id"])
        current = self._collections.current(type_)
        if await current.find_one({"_id": id_, "f": file}, {"_id": 1}):
            return True
        # Looked for second: a version moves from the one to the other, never back.
        history = self._collections.history(type_)
        old = {"_id": history_id(id_, int(metadata["version"])), "f": file}
        return await history.find_one(old, {"_id": 1}) is not None


def _metadata(version: Version) -> Document:
    return {"type": version.type, "id": version.id, "version": version.version}
