"""The bytes of a request, within the limit, and the pairs of its query and form."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive

from fhir_server.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from fhir_server.exchange import Pairs

MOST = 1024 * 1024
"""Bytes of one part, however well it was compressed."""


class Disconnected(Exception):
    """The caller left before the request was whole."""


async def read_body(receive: Receive, limit: int, encoding: str = "") -> bytes:
    """The whole body, decompressed when it is gzip. Raises what `body_parts` raises."""
    if encoding:
        parts = [part async for part in body_parts(receive, limit, encoding)]
    else:  # as `_received`, without the turns of a generator: most bodies are of one part
        parts, size, more = [], 0, True
        while more:
            part, more = _taken(await receive())
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def body_parts(receive: Receive, limit: int, encoding: str = "") -> AsyncIterator[bytes]:
    """The body as it comes, decompressed when it is gzip.

    Raises TooLarge beyond `limit` bytes, UnsupportedMediaType for another encoding,
    MalformedRequest for broken gzip, Disconnected where the caller left.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _received(receive, limit)
        case "gzip":
            return _gunzipped(_received(receive, limit), limit)
    raise UnsupportedMediaType(f"Content-Encoding: {encoding[:40]} is not read; send gzip or none")


async def _received(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    size = 0
    more = True
    while more:
        part, more = _taken(await receive())
        if part:
            size += len(part)
            if size > limit:
                raise too_large(limit)
            yield part


def _taken(message: Message) -> tuple[bytes, bool]:
    """What a message has of the body, and whether more comes."""
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message.get("body", b""), message.get("more_body", False)


async def _gunzipped(parts: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    size = 0
    async for part in parts:
        while part and not inflate.eof:
            try:
                plain = inflate.decompress(part, MOST)
            except zlib.error:
                raise MalformedRequest(
                    "The body is not the gzip that Content-Encoding says"
                ) from None
            part = inflate.unconsumed_tail
            size += len(plain)
            if size > limit:
                raise too_large(limit)
            yield plain
    if not inflate.eof:
        raise MalformedRequest("The gzip body ends before its end")


def too_large(limit: int) -> TooLarge:
    """The error for a body of more than `limit` bytes."""
    return TooLarge(f"The body is larger than {limit} bytes, the most that is taken here")


def parse_pairs(text: bytes) -> Pairs:
    """The decoded pairs of a query string or form, in order, blanks kept.

    Raises MalformedRequest for broken percent-encoding or text that is not UTF-8.
    """
    pairs = []
    for part in text.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_text(name), _text(value)))
    return tuple(pairs)


def _text(part: bytes) -> str:
    part = part.replace(b"+", b" ")
    try:
        return (unquote_to_bytes(part) if b"%" in part else part).decode()
    except UnicodeDecodeError:
        raise MalformedRequest(
            f"'{part[:80].decode('latin-1')}' is not UTF-8 when percent-decoded"
        ) from None
