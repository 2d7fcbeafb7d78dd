"""The keys of clients by URL: S-56 and S-57 of the checklist, against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fhir_server.smart.client_keys import AGAIN, MAX_BYTES, UNSAID, ClientKeys
from fhir_server.smart.clients import Client, client
from fhir_server.smart.errors import InvalidClient


class Publisher:
    """An HTTP server that publishes keys and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.kids = ["one"]
        self.headers = ""
        self.status = "200 OK"
        self.body: bytes | None = None
        self.delay = 0.0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await asyncio.sleep(self.delay)
        keys = {"keys": [{"kty": "EC", "kid": kid} for kid in self.kids]}
        body = self.body if self.body is not None else json.dumps(keys).encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


@asynccontextmanager
async def serving(publisher: Publisher) -> AsyncIterator[str]:
    server = await asyncio.start_server(publisher, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def published_at(url: str, source: str = "file") -> Client:
    known: dict[str, Any] = {
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "jwks_uri": url,
    }
    return client({"_id": "backend", "metadata": known, "family": "f", "source": source})


@pytest.fixture
async def publisher():
    return Publisher()


@pytest.fixture
async def backend(publisher):
    async with serving(publisher) as url:
        yield published_at(url)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(clock):
    return ClientKeys(clock, test_http=True)


async def test_s56_keys_are_fetched_once_and_kept(keys, backend, publisher):
    assert [key["kid"] for key in await keys.of(backend, "one")] == ["one"]
    await keys.of(backend, "one")
    assert publisher.asked == 1


@pytest.mark.parametrize(
    ("control", "kept"),
    [
        ("", UNSAID),
        ("max-age=30", 30),
        ("public, max-age=7", 7),
        ("max-age=0", 0),
        ("no-store", 0),
        ("no-cache, max-age=60", 0),
        ("max-age=999999", 3600),
    ],
)
async def test_s57_no_longer_than_the_cache_control_says(
    keys, backend, publisher, clock, control, kept
):
    publisher.headers = f"Cache-Control: {control}\r\n" if control else ""
    await keys.of(backend, "one")
    clock.now += kept - 1 if kept else 0
    await keys.of(backend, "one")
    assert publisher.asked == (1 if kept else 2)
    clock.now += 2
    await keys.of(backend, "one")
    assert publisher.asked == (2 if kept else 3)


async def test_s57_a_new_key_is_seen_and_unknown_ones_are_asked_for_seldom(
    keys, backend, publisher, clock
):
    await keys.of(backend, "one")
    publisher.kids = ["one", "two"]
    assert await keys.of(backend, "two") == []
    clock.now += AGAIN + 1
    assert [key["kid"] for key in await keys.of(backend, "two")] == ["two"]
    for number in range(5):
        assert await keys.of(backend, f"made up {number}") == []
    assert publisher.asked == 2


async def test_a_key_that_went_is_good_no_more(keys, backend, publisher, clock):
    await keys.of(backend, "one")
    publisher.kids = ["two"]
    clock.now += UNSAID + 1
    assert await keys.of(backend, "one") == []


async def test_those_who_ask_at_once_share_a_fetch(keys, backend, publisher):
    publisher.delay = 0.05
    await asyncio.gather(*(keys.of(backend, "one") for _ in range(8)))
    assert publisher.asked == 1


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("302 Found", "Location: http://127.0.0.1:9/\r\n", b""),
        ("500 No", "", b"{}"),
        ("404 No", "", b"{}"),
        ("200 OK", "", b"no json"),
        ("200 OK", "", b"[]"),
        ("200 OK", "", b'{"keys":7}'),
        ("200 OK", "", b" " * (MAX_BYTES + 1)),
    ],
)
async def test_s56_an_answer_that_is_no_jwks_is_refused(
    keys, backend, publisher, status, headers, body
):
    publisher.status, publisher.headers, publisher.body = status, headers, body
    with pytest.raises(InvalidClient):
        await keys.of(backend, "one")
    assert publisher.asked == 1


async def test_a_server_that_does_not_answer_is_given_up(keys, backend, publisher, monkeypatch):
    monkeypatch.setattr("fhir_server.smart.client_keys.SECONDS", 0.1)
    publisher.delay = 0.5
    with pytest.raises(InvalidClient):
        await keys.of(backend, "one")
    await asyncio.sleep(0.6)


async def test_s56_plain_http_and_loopback_are_for_tests_only(backend, publisher, clock):
    for url in (backend.jwks_uri, backend.jwks_uri.replace("http:", "https:")):
        with pytest.raises(InvalidClient):
            await ClientKeys(clock).of(published_at(url), "one")
    assert publisher.asked == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1"),
        *("169.254.169.254", "[fe80::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1"),
        *("[fc00::1]", "224.0.0.1", "100.64.0.1", "2130706433"),
    ],
)
async def test_ssrf_a_client_that_registered_itself_leads_nowhere_inside(host, clock, monkeypatch):
    def connect(*arguments: object, **more: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr("httpx.AsyncClient.stream", connect)
    with pytest.raises(InvalidClient):
        await ClientKeys(clock).of(published_at(f"https://{host}/jwks", "registration"), "one")


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "[::]", "224.0.0.1"])
async def test_ssrf_not_even_the_operators_clients_lead_to_metadata_or_loopback(
    host, clock, monkeypatch
):
    def connect(*arguments: object, **more: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr("httpx.AsyncClient.stream", connect)
    with pytest.raises(InvalidClient):
        await ClientKeys(clock).of(published_at(f"https://{host}/jwks"), "one")
