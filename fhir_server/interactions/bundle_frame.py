"""A Bundle taken apart: its frame is decoded, the resources of its entries stay bytes.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from fhir_server.errors import MalformedContent
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.xml import from_xml
from fhir_server.interactions.content import JSON, XML, media_type, unread
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import below
from fhir_server.interactions.usual_frame import Opened, open_usual
from fhir_server.services import Services

_HOLE = b"{}"
_GAP = re.compile(rb"\s*,\s*")


class _Outline(msgspec.Struct):
    entry: list[msgspec.Raw] = msgspec.field(default_factory=list)


class _EntryOutline(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


_outline = msgspec.json.Decoder(_Outline)
_entry_outline = msgspec.json.Decoder(_EntryOutline)


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
    usual = await open_usual(body, size, depth, pace)
    if usual is not None:
        frame, opened = usual
        if opened:
            frame["entry"] = [one.members for one in opened]
        return frame, opened
    try:
        entries = [bytes(raw) for raw in _outline.decode(body).entry]
    except (msgspec.DecodeError, RecursionError):
        codec.decode(body, max_bytes=size, max_depth=depth)  # says it better, and where
        raise MalformedContent("Bundle.entry is no array", expression="Bundle.entry") from None
    frame = codec.decode(_without(entries, body), max_bytes=size, max_depth=depth)
    opened = []
    for entry in entries:
        await pace.step()
        with below(f"Bundle.entry[{len(opened)}]"):
            opened.append(_open(entry, depth))
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
