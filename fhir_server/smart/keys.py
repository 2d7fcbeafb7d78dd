"""The server's own keys: made when first needed, rotated by age, published as JWKS.

Access tokens are signed with ES256 (short and quick), id tokens with RS256, which OpenID Connect
asks every provider for. A new key is published for an hour before it signs, so that whoever
caches the JWKS knows it by then; an old one stays published until all that it signed has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import extract_compact

from fhir_server.store.keys import Keys, StoredKey

ACCESS = "ES256"
IDENTITY = "RS256"
PUBLISHED_BEFORE = 3600
"""Seconds between a key's making and its first signature, but for the very first key."""

KEPT_AFTER = 2 * 86_400
"""Seconds for which a key that signs no more is published: longer than any token lives."""

LOOK_AGAIN = 300
"""Seconds after which a process asks the database for newer keys."""

UNKNOWN_AGAIN = 5
"""Seconds between two looks that a key id nobody knows can cause."""

HEADER_BYTES = 2_048
CLAIM_BYTES = 16_384


class SigningKeys:
    """The keys of all processes, as this one knows them."""

    def __init__(self, keys: Keys, now: Callable[[], float], rotation: float) -> None:
        self._keys = keys
        self._now = now
        self._rotation = rotation
        self._known: list[tuple[StoredKey, Key]] = []
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Know the keys that tokens are verified with; the first process makes the first."""
        await self._refresh(ACCESS)

    async def sign(self, algorithm: str, header: Mapping[str, Any], claims: dict[str, Any]) -> str:
        """A JWT in compact form, signed with the algorithm's key of the day."""
        await self._refresh(algorithm)
        key = self._signer(algorithm)
        return jwt.encode(
            {"alg": algorithm, "kid": key.kid, **header}, claims, key, algorithms=[algorithm]
        )

    async def verify(self, token: str, algorithm: str) -> jwt.Token | None:
        """The JWT's header and claims where one of our keys signed it so; times are not looked at.

        The key is chosen by `kid` among our own alone; whatever else a header says (`jwk`, `jku`,
        `x5c`, another `alg`, `crit`) cannot bring in another key.
        """
        if len(token) > HEADER_BYTES + CLAIM_BYTES:
            return None
        kid = _kid(token, algorithm)
        if kid is None:
            return None
        key = self._find(kid, algorithm)
        if key is None and self._now() - self._looked > UNKNOWN_AGAIN:
            await self._load()
            key = self._find(kid, algorithm)
        if key is None:
            return None
        try:
            return jwt.decode(token, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError):
            return None

    async def published(self) -> dict[str, Any]:
        """The public keys as a JWK Set, for the JWKS endpoint."""
        for algorithm in (ACCESS, IDENTITY):
            await self._refresh(algorithm)
        keys = []
        for stored, key in self._known:
            keys.append({**key.as_dict(private=False), "alg": stored.algorithm, "use": "sig"})
        return {"keys": keys}

    def _find(self, kid: str, algorithm: str) -> Key | None:
        for stored, key in self._known:
            if key.kid == kid and stored.algorithm == algorithm:
                return key
        return None

    def _of(self, algorithm: str) -> list[tuple[StoredKey, Key]]:
        return [entry for entry in self._known if entry[0].algorithm == algorithm]

    def _signer(self, algorithm: str) -> Key:
        candidates = self._of(algorithm)
        ripe = self._now() - PUBLISHED_BEFORE
        for stored, key in candidates:
            if stored.created <= ripe:
                return key
        return candidates[-1][1]

    async def _refresh(self, algorithm: str) -> None:
        """Know the newest keys; make the next one when the newest is old, or there is none."""
        now = self._now()
        if now - self._looked <= LOOK_AGAIN and self._of(algorithm):
            return
        async with self._lock:
            if not self._of(algorithm) or now - self._looked > LOOK_AGAIN:
                await self._load()
            newest = self._of(algorithm)
            if newest and newest[0][0].created > now - self._rotation:
                return
            number = newest[0][0].number + 1 if newest else 1
            jwk = await asyncio.to_thread(_generate, algorithm)
            await self._keys.add(StoredKey(algorithm, number, now, jwk))
            await self._load()

    async def _load(self) -> None:
        entries: list[tuple[StoredKey, Key]] = []
        now = self._now()
        newer: dict[str, float] = {}
        for stored in await self._keys.all():
            replaced = newer.get(stored.algorithm)
            newer[stored.algorithm] = stored.created
            if replaced is not None and replaced + PUBLISHED_BEFORE + KEPT_AFTER < now:
                await self._keys.remove(stored)
                continue
            (key,) = KeySet.import_key_set({"keys": [stored.jwk]}).keys
            entries.append((stored, key))
        self._known = entries
        self._looked = now


def _generate(algorithm: str) -> dict[str, Any]:
    key: ECKey | RSAKey
    if algorithm == ACCESS:
        key = ECKey.generate_key("P-256", auto_kid=True)
    else:
        key = RSAKey.generate_key(2048, auto_kid=True)
    return dict(key.as_dict(private=True))


def _kid(token: str, algorithm: str) -> str | None:
    """The key id in the header of a compact JWS that says it is of the algorithm."""
    try:
        header = extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError):
        return None
    kid = header.get("kid")
    if header.get("alg") != algorithm or "crit" in header or not isinstance(kid, str):
        return None
    return kid
