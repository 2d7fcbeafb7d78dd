"""A lean HTTP/1.1 load client: keep-alive connections in closed loop, one request each at a time.

It is a bare asyncio protocol, so that what is timed is the server and not the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

Send = Callable[[int], bytes]
"""The next request of a connection, whole, given the connection's number."""
Seen = Callable[[int, int, bytes], bool]
"""Whether an answer (connection, status, whole response) is the right one."""


@dataclass
class Result:
    """What one run measured: latencies in seconds of the right answers, and the wrong ones."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    wrong: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that `share` of the answers stayed within, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class _Connection(asyncio.Protocol):
    def __init__(self, number: int, send: Send, seen: Seen, result: Result) -> None:
        self._number = number
        self._send = send
        self._seen = seen
        self._result = result
        self._parts = bytearray()
        self._length = -1
        self._head = 0
        self._began = 0.0
        self.timing = False
        self.stopping = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        if self.stopping:
            self._transport.close()
            return
        self._began = perf_counter()
        self._transport.write(self._send(self._number))

    def data_received(self, data: bytes) -> None:
        self._parts += data
        if self._length < 0:
            end = self._parts.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._parts[:end]).lower()
            at = head.find(b"content-length:")
            assert at >= 0, head
            self._length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            self._head = end + 4
        if len(self._parts) < self._head + self._length:
            return
        elapsed = perf_counter() - self._began
        response = bytes(self._parts)
        self._parts.clear()
        self._length = -1
        right = self._seen(self._number, int(response[9:12]), response)
        if self.timing:
            if right:
                self._result.latencies.append(elapsed)
            else:
                self._result.wrong.append(response[:2000])
        elif not right:
            self._result.wrong.append(response[:2000])
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(
    port: int, connections: int, seconds: float, warm_up: float, send: Send, seen: Seen
) -> Result:
    """Load the server on `port` of loopback for `seconds` after a warm-up."""
    result = Result(seconds)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda number=number: _Connection(number, send, seen, result),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        for number in range(connections)
    ]
    protocols = [protocol for _, protocol in made]
    await asyncio.sleep(warm_up)
    for protocol in protocols:
        protocol.timing = True
    began = perf_counter()
    await asyncio.sleep(seconds)
    for protocol in protocols:
        protocol.timing = False
        protocol.stopping = True
    result.seconds = perf_counter() - began
    await asyncio.wait_for(asyncio.gather(*(p.done for p in protocols)), 60)
    return result


def request(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    """A whole HTTP/1.1 request."""
    content = f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/fhir+json\r\n"
        f"{headers}{content if body else ''}\r\n"
    ).encode() + body
