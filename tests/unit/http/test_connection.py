"""What goes over the wire, write by write, from uvicorn's protocol with our transport."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from fhir_server.http.connection import Buffer, Connection

Message = dict[str, Any]
START: Message = {"type": "http.response.start", "status": 200}
SIZED = {**START, "headers": [(b"content-length", b"4")]}


class Wire(asyncio.Transport):
    """A transport that keeps what each call sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Buffer) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def exchange(request: bytes, *messages: Message) -> Wire:
    """The wire after a server answered the request with the messages."""

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            while (await receive())["more_body"]:
                pass
        for message in messages:
            await send(message)

    wire = Wire()
    config = Config(answer, interface="asgi3", log_config=None, lifespan="off", ws="none")
    connection = Connection(config, ServerState(), {})
    connection.connection_made(wire)
    connection.data_received(request)
    for _ in range(5):
        await asyncio.sleep(0)
    if b"Expect" in request:
        connection.data_received(b"body")
        for _ in range(5):
            await asyncio.sleep(0)
    return wire


def body(content: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def get(method: str = "GET", headers: str = "") -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode()


async def test_head_and_body_leave_in_one_write() -> None:
    wire = await exchange(get(), SIZED, body(b"four"))
    [sent] = wire.sent
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\nfour")
    assert not wire.closed


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_without_a_body_does_not_wait_for_one(method: str, status: int) -> None:
    start = {**SIZED, "status": status} if status == 200 else {**START, "status": status}
    wire = await exchange(get(method), start, body(b""))
    assert b"".join(wire.sent).startswith(b"HTTP/1.1 %d " % status)
    assert b"".join(wire.sent).endswith(b"\r\n\r\n")


async def test_the_parts_of_a_stream_leave_as_they_come() -> None:
    wire = await exchange(get(), START, body(b"one", more=True), body(b"three", more=True))
    first, second = wire.sent
    assert first.endswith(b"\r\n\r\n3\r\none\r\n")
    assert second == b"5\r\nthree\r\n"


async def test_a_part_that_looks_like_a_head_comes_in_its_turn() -> None:
    long = {**START, "headers": [(b"content-length", b"24")]}
    parts = (body(b"ab", True), body(b"HTTP/1.1 200", True), body(b"HTTP/1.1 2", False))
    wire = await exchange(get(), long, *parts)
    assert b"".join(wire.sent).endswith(b"\r\n\r\nabHTTP/1.1 200HTTP/1.1 2")


async def test_a_head_whose_body_never_comes_leaves_before_the_connection_ends() -> None:
    wire = await exchange(get(), SIZED)
    assert b"".join(wire.sent).startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.closed


async def test_a_connection_that_is_to_end_ends_after_its_answer() -> None:
    wire = await exchange(get(headers="Connection: close\r\n"), SIZED, body(b"four"))
    assert b"".join(wire.sent).endswith(b"four")
    assert wire.closed


async def test_who_waits_to_be_told_to_go_on_is_told_at_once() -> None:
    request = get("POST", "Content-Length: 4\r\nExpect: 100-continue\r\n")
    wire = await exchange(request, SIZED, body(b"four"))
    told, answered = wire.sent
    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answered.endswith(b"four")


async def test_two_requests_at_once_are_answered_one_after_the_other() -> None:
    wire = await exchange(get() + get(), SIZED, body(b"four"))
    assert len(wire.sent) == 2
    assert all(sent.endswith(b"\r\n\r\nfour") for sent in wire.sent)
