"""GridFS files (https://github.com/mongodb/specifications, gridfs-spec), written and read in lots.

The driver's own writer holds up to 48 MB, its reader up to 16 MB of each file that is under way;
here it is a few MiB, so that many may be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from bson import ObjectId
from bson.int64 import Int64
from pymongo import ASCENDING

from fhir_server.errors import ServerFault
from fhir_server.store.database import Database, Document, available

CHUNK = 1024 * 1024
LOT = 4
"""How many chunks are on the way at once."""


class Files:
    """The files of one bucket."""

    def __init__(self, database: Database, bucket: str) -> None:
        self.described = database[f"{bucket}.files"]
        self.chunks = database[f"{bucket}.chunks"]
        self._indexed = False

    async def begin(self) -> Writing:
        """A new file, of which nobody knows before it is closed."""
        if not self._indexed:
            with available():
                await self.chunks.create_index(
                    [("files_id", ASCENDING), ("n", ASCENDING)], unique=True
                )
            self._indexed = True
        return Writing(self)

    async def open(self, file: ObjectId) -> Stored:
        """A file to be read. Raises ServerFault where it is missing: something points to it."""
        with available():
            found = await self.described.find_one({"_id": file})
        if found is None:
            raise ServerFault(f"The file {file} of a large resource is missing")
        return Stored(self, found)

    async def describe(self, file: ObjectId, metadata: Document) -> None:
        """Add to what is said of a file. Raises ServerFault where it is missing."""
        fields = {f"metadata.{name}": value for name, value in metadata.items()}
        with available():
            done = await self.described.update_one({"_id": file}, {"$set": fields})
        if not done.matched_count:
            raise ServerFault(f"The file {file} of a large resource is missing")

    async def remove(self, file: ObjectId) -> None:
        """Remove a file, also one that was never closed."""
        with available():
            await self.described.delete_one({"_id": file})
            await self.chunks.delete_many({"files_id": file})

    async def remove_unclosed(self, before: datetime) -> int:
        """Remove what is there of files begun before this instant and never closed; how many."""
        removed = 0
        begun = {"n": 0, "files_id": {"$lt": ObjectId.from_datetime(before)}}
        with available():
            async for chunk in self.chunks.find(begun, {"files_id": 1, "_id": 0}):
                if await self.described.find_one({"_id": chunk["files_id"]}, {"_id": 1}) is None:
                    await self.remove(chunk["files_id"])
                    removed += 1
        return removed


class Writing:
    """A file under way."""

    def __init__(self, files: Files) -> None:
        self.id = ObjectId()
        self.length = 0
        self._files = files
        self._held = bytearray()
        self._chunks = 0

    async def write(self, part: bytes) -> None:
        """Add to the end."""
        self.length += len(part)
        self._held += part
        while len(self._held) >= LOT * CHUNK:
            await self._flush()

    async def close(self, metadata: Document) -> None:
        """Make the file be there, whole."""
        while self._held:
            await self._flush()
        with available():
            await self._files.described.insert_one(
                {
                    **{"_id": self.id, "length": Int64(self.length), "chunkSize": CHUNK},
                    **{"uploadDate": datetime.now(UTC), "metadata": metadata},
                }
            )

    async def _flush(self) -> None:
        lot = [bytes(self._held[at * CHUNK : (at + 1) * CHUNK]) for at in range(LOT)]
        del self._held[: LOT * CHUNK]
        documents: list[Document] = [
            {"files_id": self.id, "n": self._chunks + at, "data": data}
            for at, data in enumerate(lot)
            if data
        ]
        self._chunks += len(documents)
        with available():
            await self._files.chunks.insert_many(documents)


class Stored:
    """A file that is whole; `metadata` is what was said of it."""

    def __init__(self, files: Files, document: Document) -> None:
        self.id: ObjectId = document["_id"]
        self.length = int(document["length"])
        self.metadata: Document = document.get("metadata") or {}
        self._chunk = int(document["chunkSize"])
        self._files = files

    async def read(self, first: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `first` up to `end` (None: all that follow), in parts of a chunk."""
        end = self.length if end is None else min(end, self.length)
        at = first // self._chunk * self._chunk
        numbers = {"$gte": first // self._chunk, "$lt": -(-end // self._chunk)}
        with available():
            async with (
                self._files.chunks.find({"files_id": self.id, "n": numbers})
                .sort("n", ASCENDING)
                .batch_size(LOT)
            ) as chunks:
                async for chunk in chunks:
                    yield bytes(chunk["data"])[max(first - at, 0) : end - at]
                    at += self._chunk
        if at < end:
            raise ServerFault(f"The file {self.id} of a large resource lacks its end")
