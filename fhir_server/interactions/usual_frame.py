"""A Bundle in the form that most clients give it: entries of fullUrl, resource and request.

One pass reads it, and written anew in this order its entries must be those that came: so nothing
else was in them, nothing twice. `bundle_frame` opens any other Bundle, and says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.errors import FhirError
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.interactions.pace import Pace

_COMPACT = b'{"resourceType":"'
"""What is most likely minified begins so."""
_ENTRIES = b'"entry":['
_ENTRY = b'{"fullUrl":"%b","resource":%b,"request":%b}'
_OBJECT = ord("{")
_AT_ONCE = 50


@dataclass(slots=True)
class Opened:
    """One entry: its members but the resource, and the bytes of that (empty: none).

    `request` has the bytes of the entry's request where that is all that could be wrong with it:
    beside it there are a good fullUrl and a resource, and nothing else.
    """

    members: Any
    raw: bytes
    request: bytes = b""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    fullUrl: str  # noqa: N815
    resource: msgspec.Raw
    request: msgspec.Raw


class _Bundle(msgspec.Struct):
    entry: list[_Entry]


_bundle = msgspec.json.Decoder(_Bundle)


async def open_usual(
    body: bytes, max_bytes: int, max_depth: int, pace: Pace
) -> tuple[Resource, list[Opened]] | None:
    """The Bundle without its entries, and these; None for any other form, right or wrong.

    The resources are minified.
    """
    opened: list[Opened] = []
    requests: dict[bytes, Resource] = {}
    try:
        if not body.startswith(_COMPACT):
            body = msgspec.json.format(body, indent=-1)
        entries = _bundle.decode(body).entry
        start = end = body.index(_ENTRIES) + len(_ENTRIES)
        for one in entries:
            if not len(opened) % _AT_ONCE:
                await pace.step()
            url, raw, request = one.fullUrl, bytes(one.resource), bytes(one.request)
            entry = _ENTRY % (url.encode(), raw, request)
            if not body.startswith(entry, end) or raw[0] != _OBJECT or not url:
                return None
            end += len(entry) + 1  # with the comma
            asked = requests.get(request)
            if asked is None:  # most are one of a few
                asked = requests[request] = codec.decode(request, max_depth=max_depth - 1)
            opened.append(Opened({"fullUrl": url, "request": asked}, raw, request))
        rest = body[:start] + body[end - 1 if entries else end :]
        frame = codec.decode(rest, max_bytes=max_bytes, max_depth=max_depth)
    except (msgspec.DecodeError, RecursionError, ValueError, FhirError):
        return None
    # Where it is not, those compared with were the entries of something else.
    if frame.get("entry") != []:
        return None
    urls = "".join([one.fullUrl for one in entries])
    return (frame, opened) if urls.isprintable() and " " not in urls else None
