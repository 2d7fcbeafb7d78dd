"""Cross-origin requests from browsers (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from collections.abc import Sequence

RawHeaders = list[tuple[bytes, bytes]]

EXPOSED = b"Content-Location, ETag, Last-Modified, Location, Retry-After, X-Progress, X-Request-Id"
ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
ALLOWED_HEADERS = (
    b"Accept, Authorization, Content-Type, DPoP, If-Match, If-Modified-Since, If-None-Exist, "
    b"If-None-Match, Prefer, Range, X-Provenance, X-Request-Id, X-Requested-With"
)


def origin_headers(origin: str, allowed: Sequence[str]) -> RawHeaders:
    """The headers that let a page of `origin` read the answer; empty where it may not.

    Never with credentials: tokens travel in headers, cookies are not for the API.
    """
    if not origin:
        return []
    if "*" in allowed:
        granted = b"*"
    elif origin in allowed:
        granted = origin.encode("latin-1")
    else:
        return [(b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", granted),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    ]


def preflight_headers(origin: str, allowed: Sequence[str]) -> RawHeaders:
    """The answer to a preflight: methods and request headers, for an hour."""
    granted = origin_headers(origin, allowed)
    if len(granted) < 2:
        return granted
    return [
        *granted,
        (b"access-control-allow-methods", ALLOWED_METHODS),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", b"3600"),
    ]
