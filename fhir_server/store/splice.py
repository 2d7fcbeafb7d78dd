"""Documents of MongoDB as bytes: cut and joined, not decoded.

https://bsonspec.org/spec.html. The keys of a resource are hundreds of values; an update carries
those of the version before from one collection to another and never looks at them.
"""

from __future__ import annotations

from struct import Struct

import bson

from fhir_server.store.database import Document

_LENGTH = Struct("<i")
_STRING = 0x02
_NESTED = (0x03, 0x04)
_BEYOND = {_STRING: 4, 0x03: 0, 0x04: 0, 0x05: 5}
"""Kinds that say their length, and how many bytes more than that they have."""

_WIDTHS = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}
"""Kinds that are always as long: numbers, ObjectId, boolean, date, null."""


def scalars(document: bytes) -> Document:
    """The fields of a document, decoded, without its arrays and nested documents."""
    parts: list[bytes] = []
    start = at = 4
    end = len(document) - 1
    while at < end:
        kind = document[at]
        # Nearly all names have one letter, and none has less: to look for the end takes longer.
        value = at + 3 if document[at + 2] == 0 else document.index(0, at + 2) + 1
        if kind in _WIDTHS:
            at = value + _WIDTHS[kind]
            continue
        after = value + _BEYOND[kind] + _LENGTH.unpack_from(document, value)[0]
        if kind in _NESTED:
            parts.append(document[start:at])
            start = after
        at = after
    parts.append(document[start:])
    return bson.decode(_sized(b"".join(parts)))


def with_identity(document: bytes, id_: str) -> bytes:
    """The document under another `_id`; its own, which is a string, it has as `i` after that."""
    if document[4:9] != b"\x02_id\0":
        raise ValueError("The document does not begin with an _id that is a string")
    text = id_.encode()
    identity = b"\x02_id\0" + _LENGTH.pack(len(text) + 1) + text + b"\0\x02i\0"
    return _sized(identity + document[9:])


def _sized(rest: bytes) -> bytes:
    """A document of these bytes, which lack only the length before them."""
    return _LENGTH.pack(len(rest) + 4) + rest
