"""Which address counts as the caller's."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from fhir_server.http.address import address_of

PROXIES = ("10.0.0.1", "10.0.0.2")


def request(address: str | None, *forwarded: str) -> Request:
    lines = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    client = None if address is None else (address, 1)
    return Request({"type": "http", "headers": lines, "client": client})


@pytest.mark.parametrize(
    ("address", "forwarded", "counts"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.7",), "203.0.113.9"),  # no proxy of ours: not believed
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.7, 203.0.113.9",), "203.0.113.9"),  # what the caller wrote first
        ("10.0.0.1", ("198.51.100.7", "203.0.113.9"), "203.0.113.9"),  # a proxy that adds a line
        ("10.0.0.1", ("198.51.100.7, 203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        ("10.0.0.1", ("10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.2, 203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        (None, ("203.0.113.9",), "unknown"),
    ],
)
def test_only_proxies_of_ours_are_believed(
    address: str | None, forwarded: tuple[str, ...], counts: str
) -> None:
    assert address_of(request(address, *forwarded), PROXIES) == counts


def test_without_proxies_nobody_is_believed() -> None:
    assert address_of(request("127.0.0.1", "203.0.113.9"), ()) == "127.0.0.1"
