"""A Bundle taken apart: its frame is decoded, the resources of its entries stay bytes.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from fhir_server.errors import FhirError, MalformedContent
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.primitives import TEXT
from fhir_server.fhir.xml import from_xml
from fhir_server.interactions.content import JSON, XML, media_type, unread
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import below
from fhir_server.services import Services

_HOLE = b"{}"
_GAP = re.compile(rb"\s*,\s*")
_USUAL_KEYS = len('{"fullUrl":,"resource":,"request":}')


class Opened(NamedTuple):
    """One entry: its members but the resource, and the bytes of that (empty: none).

    `request` has the bytes of the entry's request where that is all that could be wrong with it:
    beside it there are a good fullUrl and a resource, and nothing else.
    """

    members: Any
    raw: bytes
    request: bytes = b""


class _Outline(msgspec.Struct):
    entry: list[msgspec.Raw] = msgspec.field(default_factory=list)


class _EntryOutline(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _UsualEntry(msgspec.Struct, forbid_unknown_fields=True):
    fullUrl: msgspec.Raw  # noqa: N815
    resource: msgspec.Raw
    request: msgspec.Raw


_outline = msgspec.json.Decoder(_Outline)
_entry_outline = msgspec.json.Decoder(_EntryOutline)
_usual_entry = msgspec.json.Decoder(_UsualEntry)


async def open_frame(
    request: FhirRequest, services: Services, pace: Pace
) -> tuple[Resource, list[Opened]]:
    """The Bundle in the body, its entries without their resources, and the entries themselves."""
    media, body = media_type(request), request.body
    size, depth = services.settings.max_body_bytes, services.settings.max_depth
    if media in XML:
        frame = from_xml(body, max_bytes=size, max_depth=depth)
        return frame, [Opened(entry, _take(entry)) for entry in frame.get("entry", ())]
    if media not in JSON:
        raise unread(media)
    if not body:
        raise MalformedContent("The body is empty; a Bundle is expected")
    try:
        entries = [bytes(raw) for raw in _outline.decode(body).entry]
    except (msgspec.DecodeError, RecursionError):
        codec.decode(body, max_bytes=size, max_depth=depth)  # says it better, and where
        raise MalformedContent("Bundle.entry is no array", expression="Bundle.entry") from None
    frame = codec.decode(_without(entries, body), max_bytes=size, max_depth=depth)
    opened: list[Opened] = []
    requests: dict[bytes, Resource] = {}
    for entry in entries:
        await pace.step()
        one = _usual(entry, requests, depth)
        if one is None:
            with below(f"Bundle.entry[{len(opened)}]"):
                one = _open(entry, depth)
        opened.append(one)
    if opened:
        frame["entry"] = [one.members for one in opened]
    return frame, opened


def _without(entries: Sequence[bytes], body: bytes) -> bytes:
    """The body with an empty array in the place of its entries."""
    start = end = 0
    while entries:
        start = end = body.index(entries[0], start)
        for entry in entries:
            if not body.startswith(entry, end):
                break
            gap = _GAP.match(body, end + len(entry))
            end = gap.end() if gap else end + len(entry)
        else:
            break
        start += 1  # the same text stood earlier, where it was no entry
    return body[:start] + body[end:]


def _usual(entry: bytes, requests: dict[bytes, Resource], depth: int) -> Opened | None:
    """An entry of compact JSON as most clients write it; None for any other, right or wrong.

    `requests` are those met before: the same few come again and again.
    """
    try:
        found = _usual_entry.decode(entry)
        url = codec.value(found.fullUrl)
        request, raw = bytes(found.request), bytes(found.resource)
        # With a space or a member twice the entry would be longer.
        if len(entry) != _USUAL_KEYS + len(found.fullUrl) + len(request) + len(raw):
            return None
        asked = requests.get(request)
        if asked is None:
            asked = requests[request] = codec.decode(request, max_depth=depth - 1)
    except (msgspec.DecodeError, RecursionError, ValueError, FhirError):
        return None
    if type(url) is not str or not TEXT["uri"](url) or not raw.startswith(b"{"):
        return None
    return Opened({"fullUrl": url, "request": asked}, raw, request)


def _open(entry: bytes, depth: int) -> Opened:
    """Any entry."""
    try:
        raw = bytes(_entry_outline.decode(entry).resource)
    except msgspec.DecodeError:
        raise MalformedContent("The entry is no object") from None
    if not raw.startswith(b"{"):
        return Opened(codec.decode(entry, max_bytes=len(entry), max_depth=depth), b"")
    start = entry.index(raw)
    cut = entry[:start] + _HOLE + entry[start + len(raw) :]
    opened = codec.decode(cut, max_bytes=len(cut), max_depth=depth)
    if opened["resource"]:  # the same text stands elsewhere in the entry
        opened = codec.decode(entry, max_bytes=len(entry), max_depth=depth)
    del opened["resource"]
    return Opened(opened, raw)


def _take(entry: Any) -> bytes:
    resource = entry.pop("resource", None) if isinstance(entry, dict) else None
    return codec.encode(resource) if resource is not None else b""
