"""GridFS files in lots: whole, in part, and never half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gridfs.asynchronous import AsyncGridFSBucket

from fhir_server.errors import ServerFault
from fhir_server.store.blobs import BUCKET
from fhir_server.store.files import CHUNK, LOT
from fhir_server.store.resources import Store

CONTENT = bytes(range(251)) * (CHUNK * (LOT + 1) // 250)


async def part(store: Store, name: object, first: int, end: int | None = None) -> bytes:
    file = await store.blobs.files.open(name)  # type: ignore[arg-type]
    return b"".join([part async for part in file.read(first, end)])


async def test_a_file_is_one_that_every_gridfs_reads(store: Store) -> None:
    writing = await store.blobs.files.begin()
    for at in range(0, len(CONTENT), 99_999):
        await writing.write(CONTENT[at : at + 99_999])
    await writing.close({"size": 1})
    bucket = AsyncGridFSBucket(store.database.handle, BUCKET)
    read = await (await bucket.open_download_stream(writing.id)).read()
    assert read == CONTENT
    assert await part(store, writing.id, 0) == CONTENT
    for first in (0, 1, CHUNK - 1, CHUNK, LOT * CHUNK, len(CONTENT) - 1):
        for end in (first, first + 1, first + CHUNK, first + CHUNK + 1, len(CONTENT), None):
            assert await part(store, writing.id, first, end) == CONTENT[first:end]


async def test_what_is_missing_is_told(store: Store) -> None:
    writing = await store.blobs.files.begin()
    with pytest.raises(ServerFault, match="missing"):
        await store.blobs.files.open(writing.id)
    await writing.write(CONTENT)
    await writing.close({})
    await store.blobs.files.chunks.delete_one({"files_id": writing.id, "n": LOT})
    with pytest.raises(ServerFault, match="lacks"):
        await part(store, writing.id, 0)


async def test_a_file_that_was_never_closed_is_swept_after_a_day(store: Store) -> None:
    """So a server that is killed in the middle of an upload leaves nothing for long."""
    writing = await store.blobs.files.begin()
    await writing.write(CONTENT)
    now = datetime.now(UTC)
    assert await store.blobs.sweep(now + timedelta(hours=23)) == 0
    assert await store.blobs.sweep(now + timedelta(hours=25)) == 1
    assert await store.blobs.files.chunks.count_documents({}) == 0
