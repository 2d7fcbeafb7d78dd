"""Bodies within their limit, and pairs as they were sent."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fhir_server.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from fhir_server.http.body import Disconnected, parse_pairs, read_body


def receiving(*parts: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


async def test_a_body_in_parts_is_put_together() -> None:
    assert await read_body(receiving(b"ab", b"", b"cd"), 4) == b"abcd"


async def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        await read_body(receiving(b"abc", b"de"), 4)


async def test_a_gzip_body_is_read_up_to_the_same_limit() -> None:
    bomb = gzip.compress(b"0" * 100_000)
    assert await read_body(receiving(gzip.compress(b"{}")), 100, "gzip") == b"{}"
    with pytest.raises(TooLarge):
        await read_body(receiving(bomb), 10_000, "gzip")
    with pytest.raises(MalformedRequest):
        await read_body(receiving(b"plain"), 100, "gzip")
    with pytest.raises(MalformedRequest):
        await read_body(receiving(bomb[:-20]), 1_000_000, "gzip")
    with pytest.raises(UnsupportedMediaType):
        await read_body(receiving(b"x"), 100, "br")


async def test_a_caller_who_leaves_ends_the_reading() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        await read_body(gone, 10)


def test_pairs_keep_order_blanks_and_signs() -> None:
    text = b"name=a%2Cb&date=ge2013-01-01T00%3A00%3A00%2B02:00&x=&name=c+d&flag&e=%C3%A9"
    assert parse_pairs(text) == (
        ("name", "a,b"),
        ("date", "ge2013-01-01T00:00:00+02:00"),
        ("x", ""),
        ("name", "c d"),
        ("flag", ""),
        ("e", "é"),
    )


def test_broken_percent_encoding_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse_pairs(b"name=%ff%fe")
