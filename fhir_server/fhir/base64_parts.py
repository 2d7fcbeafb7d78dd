"""Base64 that comes in parts, for the data of a Binary that is too large to be held at once.

https://hl7.org/fhir/R4/datatypes.html#base64Binary, RFC 4648 section 4
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import NamedTuple

from fhir_server.fhir import codec

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


class Encoder:
    """Bytes to base64: three make four letters, so up to two wait for what comes next."""

    def __init__(self) -> None:
        self._rest = b""

    def encode(self, part: bytes) -> bytes:
        """The letters that are certain by now."""
        part = self._rest + part
        whole = len(part) // 3 * 3
        self._rest = part[whole:]
        return b64encode(part[:whole])

    def end(self) -> bytes:
        """The letters of what waits, padded."""
        return b64encode(self._rest)


async def decoded(parts: AsyncIterator[bytes], skip: int, size: int) -> AsyncIterator[bytes]:
    """`size` bytes of those that the letters in `parts` mean, after the first `skip`."""
    rest = b""
    async for part in parts:
        part = rest + part
        whole = len(part) // 4 * 4
        rest = part[whole:]
        known = b64decode(part[:whole])
        content = known[skip : skip + size]
        skip = max(skip - len(known), 0)
        size -= len(content)
        if content:
            yield content


def letters_of(first: int, end: int) -> tuple[int, int]:
    """Where the letters begin and end that mean the bytes from `first` up to `end`."""
    return first // 3 * 4, (end + 2) // 3 * 4


class Apart(NamedTuple):
    """A Binary with its data taken out: `data` goes into `outline` at the place `at`.

    `size` is the number of bytes that the data means.
    """

    outline: bytes
    at: int
    data: bytes
    size: int


def take_apart(raw: bytes) -> Apart | None:
    """The Binary with this minified JSON; None where its data is not base64 without blanks."""
    member = codec.members(raw).get("data")
    if member is None:
        return None
    data = bytes(member)[1:-1]
    padding = (len(data) - data.find(b"=")) if b"=" in data else 0
    if len(data) % 4 or padding > 2 or data.translate(None, _LETTERS):
        return None
    at = raw.index(b'"data":' + bytes(member)) + len(b'"data":"')
    outline = raw[:at] + raw[at + len(data) :]
    return Apart(outline, at, data, len(data) // 4 * 3 - padding)
