"""The public keys of clients: registered by value, or fetched from the URL that they registered.

A fetch goes to https only, follows no redirect, is bounded in time and size, and for clients that
registered themselves never to an address inside (RFC 9700, 2.5; OWASP on SSRF): the name is
resolved here and the connection made to the very address that was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import msgspec

from fhir_server.settings import is_loopback
from fhir_server.smart.clients import Client
from fhir_server.smart.errors import InvalidClient

SECONDS = 5.0
MAX_BYTES = 64 * 1024
UNSAID = 60
"""Seconds for which keys are kept whose server says nothing of caching."""

LONGEST = 3600
"""Seconds for which keys are kept at most, whatever their server allows."""

AGAIN = 10
"""Seconds between two fetches that an unknown key id can cause."""

MOST_CACHED = 1000

_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})")


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: tuple[Mapping[str, Any], ...]
    at: float
    until: float


class ClientKeys:
    """The JWK Sets of clients, those fetched kept no longer than their Cache-Control says."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        test_http: bool = False,
        verify: bool | Any = True,
    ) -> None:
        self._now = now
        self._test_http = test_http
        self._verify = verify
        self._cache: dict[str, _Fetched] = {}
        self._fetching: dict[str, asyncio.Task[_Fetched]] = {}

    async def of(self, client: Client, kid: str) -> list[Mapping[str, Any]]:
        """The client's public JWKs of that key id. Raises InvalidClient where none can be had."""
        if client.jwks_uri is None:
            keys: tuple[Mapping[str, Any], ...] = tuple((client.jwks or {}).get("keys", ()))
            return [key for key in keys if key.get("kid") == kid]
        known = self._cache.get(client.jwks_uri)
        fresh = known is not None and known.until > self._now()
        if known is None or not fresh:
            known = await self._fetch_once(client)
        found = [key for key in known.keys if key.get("kid") == kid]
        if not found and fresh and self._now() - known.at > AGAIN:
            known = await self._fetch_once(client)
            found = [key for key in known.keys if key.get("kid") == kid]
        return found

    async def _fetch_once(self, client: Client) -> _Fetched:
        """One fetch for all who wait for the same URL."""
        uri = cast(str, client.jwks_uri)
        task = self._fetching.get(uri)
        if task is None:
            task = asyncio.create_task(self._fetch(uri, inside=client.source != "registration"))
            self._fetching[uri] = task
            task.add_done_callback(lambda _: self._fetching.pop(uri, None))
        try:
            fetched = await asyncio.shield(task)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TimeoutError):
            raise InvalidClient("The keys at the client's jwks_uri could not be fetched") from None
        if len(self._cache) >= MOST_CACHED:
            self._cache.clear()
        self._cache[uri] = fetched
        return fetched

    async def _fetch(self, uri: str, *, inside: bool) -> _Fetched:
        async with asyncio.timeout(SECONDS):
            parts = urlsplit(uri)
            host = parts.hostname or ""
            plain = self._test_http and parts.scheme == "http" and is_loopback(host)
            if parts.scheme != "https" and not plain:
                raise ValueError("not https")
            port = parts.port or (443 if parts.scheme == "https" else 80)
            loopback = self._test_http and is_loopback(host)
            address = await _address(host, port, inside=inside, loopback=loopback)
            netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            async with (
                httpx.AsyncClient(
                    follow_redirects=False, trust_env=False, timeout=SECONDS, verify=self._verify
                ) as http,
                http.stream(
                    "GET",
                    parts._replace(netloc=netloc, fragment="").geturl(),
                    headers={"Host": parts.netloc, "Accept": "application/json"},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise ValueError("not 200")
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        raise ValueError("too large")
        at = self._now()
        control = answer.headers.get("cache-control", "").lower()
        return _Fetched(_keys(bytes(body)), at, at + _lifetime(control))


async def _address(host: str, port: int, *, inside: bool, loopback: bool) -> str:
    """The address to connect to; raises ValueError where it must not be visited.

    `inside` allows private networks: for clients that the operator registered.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if address.is_loopback:
            allowed = loopback
        elif address.is_link_local or address.is_multicast or address.is_unspecified:
            allowed = False
        else:
            allowed = address.is_global or (inside and address.is_private)
        if not allowed:
            raise ValueError("an address that must not be visited")
    if not found:
        raise ValueError("no address")
    return str(found[0][4][0])


def _keys(body: bytes) -> tuple[Mapping[str, Any], ...]:
    decoded = msgspec.json.decode(body)
    keys = decoded.get("keys") if isinstance(decoded, dict) else None
    if not isinstance(keys, list):
        raise ValueError("no JWK Set")
    return tuple(key for key in keys if isinstance(key, dict))


def _lifetime(control: str) -> float:
    if "no-store" in control or "no-cache" in control:
        return 0
    found = _MAX_AGE.search(control)
    return min(int(found[1]), LONGEST) if found else UNSAID
