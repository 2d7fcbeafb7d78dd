"""The content of a large Binary on its way in: it is in its file before there is a resource."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from fhir_server.errors import TooLarge, Unavailable
from fhir_server.fhir.base64_parts import Encoder
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import available
from fhir_server.store.files import Writing
from fhir_server.store.version import Blob, Version

_DATA = b',"data":""}'


class Upload:
    """Bytes that become the data of a Binary: base64 in a file of their own."""

    def __init__(self, blobs: Blobs, file: Writing) -> None:
        self._blobs = blobs
        self._file = file
        self._encoder = Encoder()
        self._size = 0

    @classmethod
    async def begin(cls, blobs: Blobs) -> Upload:
        """A new one, empty."""
        return cls(blobs, await blobs.files.begin())

    async def write(self, part: bytes) -> None:
        """Add to the content. Raises TooLarge where that comes to be more than is kept."""
        self._size += len(part)
        if self._size > self._blobs.limit:
            raise TooLarge(
                f"The content has more than {self._blobs.limit} bytes, the most that is stored"
            )
        await self._file.write(self._encoder.encode(part))

    async def close(self) -> None:
        """The content is whole now."""
        await self._file.write(self._encoder.end())
        await self._file.close({"size": self._size})

    async def abort(self) -> None:
        """Remove what was written of a content that did not become whole.

        While the database is away nothing is: then the sweep does it.
        """
        with suppress(Unavailable):
            await self._blobs.files.remove(self._file.id)

    async def release(self) -> None:
        """Remove the content unless a resource has it; or leave it to the sweep, as `abort`."""
        with suppress(Unavailable), available():
            await self._blobs.release(await self._blobs.files.open(self._file.id))

    def blob(self, raw: bytes) -> Blob:
        """The content as the data of a Binary with this JSON, which has none yet."""
        outline = raw[:-1] + _DATA
        return Blob(self._file.id, outline, len(outline) - len(b'"}'))

    def content(self, version: Version) -> AsyncIterator[bytes]:
        """The bytes of the resource that has the content, in parts."""
        if version.blob is None:
            raise ValueError(f"{version.type}/{version.id} has no file")
        return self._blobs.content(version.blob)
