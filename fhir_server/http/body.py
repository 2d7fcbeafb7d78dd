"""The bytes of a request, within the limit, and the pairs of its query and form."""

from __future__ import annotations

import zlib
from urllib.parse import unquote_to_bytes

from starlette.types import Receive

from fhir_server.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from fhir_server.exchange import Pairs


class Disconnected(Exception):
    """The caller left before the request was whole."""


async def read_body(receive: Receive, limit: int, encoding: str = "") -> bytes:
    """The whole body, decompressed when it is gzip. Raises TooLarge beyond `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        if part:
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        more = message.get("more_body", False)
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            return _gunzip(body, limit)
    raise UnsupportedMediaType(f"Content-Encoding: {encoding[:40]} is not read; send gzip or none")


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


def _gunzip(body: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, limit + 1)
    except zlib.error:
        raise MalformedRequest("The body is not the gzip that Content-Encoding says") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not inflate.eof:
        raise MalformedRequest("The gzip body ends before its end")
    return plain
