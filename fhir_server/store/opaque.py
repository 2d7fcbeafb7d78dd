"""Opaque values that callers hold and the database knows by their hash alone."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from hashlib import sha256


def new_token() -> str:
    """256 random bits as text that is safe in a URL."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """The hash under which a value of that entropy is kept; it needs no salt."""
    return sha256(token.encode()).hexdigest()


def moment(seconds: float) -> datetime:
    """Seconds since 1970 UTC as MongoDB keeps them."""
    return datetime.fromtimestamp(seconds, UTC)
