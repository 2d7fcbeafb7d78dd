"""Passwords of people: Argon2id hashes, and what a password must be at least.

NIST SP 800-63B, 5.1.1.2: length counts, rules on characters do not.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 256

# RFC 9106, 4: the second recommended option, 64 MiB and three passes.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
_NOBODYS = _HASHER.hash(secrets.token_urlsafe(32))

AT_ONCE = 4
"""Hashes computed at the same time in a process: each takes 64 MiB."""

_turns = asyncio.Semaphore(AT_ONCE)


def fault(password: str, name: str) -> str | None:
    """Why a password is not taken, as the key of a message; None where it is good."""
    text = _normal(password)
    if len(text) < SHORTEST:
        return "password-short"
    if len(text) > LONGEST:
        return "password-long"
    if len(set(text)) < 5 or text.casefold().strip("0123456789 ") in (name, name[::-1]):
        return "password-simple"
    return None


async def hashed(password: str) -> str:
    """The hash to keep, in the usual text form."""
    async with _turns:
        return await asyncio.to_thread(_HASHER.hash, _normal(password))


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password is that of the hash; without a hash it takes as long to say no."""
    if len(password) > LONGEST:
        return False
    async with _turns:
        return await asyncio.to_thread(_matches, _normal(password), stored)


def _matches(password: str, stored: str | None) -> bool:
    try:
        return _HASHER.verify(stored or _NOBODYS, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    # The same letters from another keyboard may be composed otherwise.
    return unicodedata.normalize("NFKC", password)
