"""A connection that answers in one write: head and body leave together.

uvicorn writes them apart: two system calls for every answer, and two times that the caller wakes.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Buffer = bytes | bytearray | memoryview


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over a transport that keeps the head back until the body comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: everything that is written goes through the keeping transport."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.transport = self._joined = _Joined(cast(asyncio.Transport, transport))

    def on_response_complete(self) -> None:
        """End an answer; one to HEAD has no body that its head waits for."""
        self._joined.flush()
        super().on_response_complete()


class _Joined(asyncio.Transport):
    """A transport whose `write` keeps the head of an answer for the write that follows.

    A part of a body that begins like a head is kept too, and goes out in its turn all the same.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._kept: Buffer = b""

    def write(self, data: Buffer) -> None:
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.writelines((kept, data))
        elif data[:9] == b"HTTP/1.1 " and data[9:12] != b"100":
            self._kept = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is kept."""
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
