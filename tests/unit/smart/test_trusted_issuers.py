"""The keys of trusted issuers by URL: fetched, kept, changed, and never in plain http from afar."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.settings import TrustedIssuer
from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.trusted import AGAIN, FRESH, TrustedIssuers

ISSUER = "https://identity.example.org"
BASE = "https://ehr.example.org/fhir"
ONE = ECKey.generate_key("P-256", {"kid": "one"})
TWO = ECKey.generate_key("P-256", {"kid": "two"})
START = time.time()


class Publisher:
    """An HTTP server on loopback that publishes keys and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys = [ONE]
        self.status = "200 OK"
        self.headers = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        rows = [key.as_dict(private=False) for key in self.keys]
        body = json.dumps({"keys": rows}).encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


class Trust:
    """The issuers of a server whose keys lie at a URL, with a clock of its own."""

    def __init__(self, url: str) -> None:
        self.now = START
        issuer = TrustedIssuer(issuer=ISSUER, jwks=url, algorithms=("ES256",))
        self.issuers = TrustedIssuers((issuer,), BASE, lambda: self.now, 10)

    async def opens(self, key: ECKey) -> bool:
        claims = {"iss": ISSUER, "aud": BASE, "iat": int(START), "exp": int(START) + 36_000}
        header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
        try:
            return bool(await self.issuers.read(jwt.encode(header, claims, key)))
        except InvalidToken:
            return False


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
async def trust(publisher: Publisher) -> AsyncIterator[Trust]:
    server = await asyncio.start_server(publisher, "127.0.0.1", 0)
    async with server:
        yield Trust(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks")


async def test_keys_are_fetched_once_and_kept_while_they_are_fresh(
    trust: Trust, publisher: Publisher
) -> None:
    assert publisher.asked == 0
    assert all([await trust.opens(ONE) for _ in range(3)])
    trust.now += FRESH
    assert await trust.opens(ONE)
    assert publisher.asked == 1
    trust.now += 1
    assert await trust.opens(ONE)
    assert publisher.asked == 2


async def test_many_who_come_at_once_cause_one_fetch(trust: Trust, publisher: Publisher) -> None:
    assert all(await asyncio.gather(*(trust.opens(ONE) for _ in range(8))))
    assert publisher.asked == 1


async def test_a_new_key_is_known_at_once_and_one_taken_back_no_more(
    trust: Trust, publisher: Publisher
) -> None:
    assert await trust.opens(ONE)
    publisher.keys = [TWO]
    trust.now += AGAIN + 1
    assert await trust.opens(TWO)
    assert not await trust.opens(ONE)
    assert publisher.asked == 2


async def test_unknown_key_ids_do_not_make_the_server_ask_all_the_time(
    trust: Trust, publisher: Publisher
) -> None:
    assert await trust.opens(ONE)
    trust.now += AGAIN
    assert not any([await trust.opens(TWO) for _ in range(5)])
    assert publisher.asked == 1


@pytest.mark.parametrize("status", ["500 Oops", "404 Not Found", "302 Found"])
async def test_without_keys_nothing_opens(trust: Trust, publisher: Publisher, status: str) -> None:
    publisher.status = status
    publisher.headers = "Location: /elsewhere\r\n"
    assert not await trust.opens(ONE)
    assert publisher.asked == 1  # a redirect is not followed


async def test_keys_that_cannot_be_had_again_are_good_no_more(
    trust: Trust, publisher: Publisher
) -> None:
    assert await trust.opens(ONE)
    publisher.status = "500 Oops"
    trust.now += FRESH + 1
    assert not await trust.opens(ONE)
    publisher.status = "200 OK"
    assert await trust.opens(ONE)


@pytest.mark.parametrize(
    "url", ["http://identity.example.org/jwks", "ftp://127.0.0.1.example.org/jwks"]
)
async def test_keys_from_afar_come_by_https_alone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []

    async def connect(*args: object, **rest: object) -> object:
        connected.append(args)
        raise OSError

    monkeypatch.setattr("anyio.connect_tcp", connect)
    assert not await Trust(url).opens(ONE)
    assert not connected
    assert not await Trust("https://127.0.0.1:1/jwks").opens(ONE)
    assert connected  # the door was watched
