"""Paging cursors: where a page ended, signed, so that nobody can make or move one.

A cursor is bound to the query it pages through and to what its caller may see: a cursor that was
forged, cut, or made for another query or another caller is refused with 400
(https://hl7.org/fhir/R4/http.html#paging).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.errors import MalformedRequest

PARAMETER = "_cursor"
"""The name of the query parameter that carries a cursor."""

_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows of a result.

    `values` are the sort values of the row next to that place, its id last; `backwards` asks for
    the rows before it; `time` is the cluster time of the first page, so that later pages read the
    same moment; `total` is what the first page said, where it did; `before` are the rows before
    the place, where `_maxresults` makes them count.
    """

    values: tuple[Any, ...]
    backwards: bool = False
    time: int | None = None
    total: int | None = None
    before: int = 0


def sign(cursor: Cursor, query: str, grant: Grant, key: bytes) -> str:
    """The cursor as text for a URL, bound to `query` (the canonical query) and to `grant`."""
    parts = [cursor.values, cursor.backwards, cursor.time, cursor.total, cursor.before]
    body = msgspec.msgpack.encode(parts, enc_hook=int)  # the database's integers are no plain ones
    return _base64(_signature(body, query, grant, key) + body)


def verify(text: str, query: str, grant: Grant, key: bytes) -> Cursor:
    """The cursor that `sign` made with the same query, grant and key; else MalformedRequest."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _refusal() from None
    signature, body = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, query, grant, key)):
        raise _refusal()
    values, backwards, time, total, before = msgspec.msgpack.decode(body)
    return Cursor(tuple(values), backwards, time, total, before)


def _refusal() -> MalformedRequest:
    return MalformedRequest(
        f"{PARAMETER} is not a cursor of this query and caller; "
        "follow the links of a Bundle unchanged, or begin again without it",
        expression=f"http.{PARAMETER}",
    )


def _signature(body: bytes, query: str, grant: Grant, key: bytes) -> bytes:
    bound = hashlib.sha256(query.encode("utf-8", "surrogatepass")).digest() + _seen_by(grant)
    return hmac.digest(key, bound + body, "sha256")[:_SIGNATURE_BYTES]


@lru_cache(maxsize=1024)
def _seen_by(grant: Grant) -> bytes:
    """A digest of what the grant permits, the same in every process."""
    return hashlib.sha256(grant.canonical()).digest()


def _base64(data: Sequence[int] | bytes) -> str:
    return base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")
