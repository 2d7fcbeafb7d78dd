"""Client secrets: random, shown once, kept as Argon2id hashes."""

from __future__ import annotations

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# RFC 9106 leaves the cost to the use. Our own secrets are 256 random bits, those of a clients file
# may be weaker; every token request pays this, so it is the least that OWASP recommends.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

_NOBODYS = _HASHER.hash(secrets.token_urlsafe(32))


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


async def hashed(secret: str) -> str:
    """The Argon2id hash of a secret, in the usual text form."""
    return await asyncio.to_thread(_HASHER.hash, secret)


async def matches(secret: str, stored: str | None) -> bool:
    """Whether the secret is that of the hash; without a hash it takes as long to say no."""
    return await asyncio.to_thread(_matches, secret, stored)


def _matches(secret: str, stored: str | None) -> bool:
    try:
        return _HASHER.verify(stored or _NOBODYS, secret) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
