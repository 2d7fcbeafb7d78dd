"""A Bundle of requests, opened: its frame is decoded, the resources stay bytes until their turn.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.errors import FhirError, Issue, MalformedContent, MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.xml import from_xml
from fhir_server.interactions.content import JSON, XML, media_type, unread
from fhir_server.interactions.entry_request import EntryRequest, entry_request
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import below
from fhir_server.interactions.write import refuse
from fhir_server.services import Services

Dispatch = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]
"""What answers one request in process."""

MOST_ISSUES = 100
"""Faults told of one Bundle; whoever has more of them has one that repeats."""

_CHECKED_AT_ONCE = 50
_ENTRY = re.compile(r"^Bundle\.entry\[(\d+)\]")
_HOLE = b"{}"
_GAP = re.compile(rb"\s*,\s*")


@dataclass(slots=True)
class Entry:
    """One entry: its place, what it asks for, and the bytes of its resource (empty: none)."""

    index: int
    full_url: str
    request: EntryRequest
    raw: bytes

    @property
    def place(self) -> str:
        """Where the entry stands, as FHIRPath."""
        return f"Bundle.entry[{self.index}]"


@dataclass(slots=True)
class RequestBundle:
    """A Bundle whose frame is checked; entries only of a batch or transaction."""

    type: str
    entries: list[Entry]


class _Outline(msgspec.Struct):
    entry: list[msgspec.Raw] = msgspec.field(default_factory=list)


class _EntryOutline(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


_outline = msgspec.json.Decoder(_Outline)
_entry_outline = msgspec.json.Decoder(_EntryOutline)


async def open_bundle(request: FhirRequest, services: Services) -> RequestBundle:
    """The Bundle in the body.

    Raises MalformedContent where the body is none, MalformedRequest with the place of every
    request that is none, Unprocessable with the other faults of the frame.
    """
    pace = Pace()
    frame, raws = await _open(request, services, pace)
    if frame.get("resourceType") != "Bundle":
        raise MalformedContent(
            "The base takes a Bundle of type batch or transaction", expression="resourceType"
        )
    type_ = frame.get("type")
    if not isinstance(type_, str):
        raise MalformedRequest(
            "The Bundle has no type; batch and transaction can be sent here",
            expression="Bundle.type",
        )
    if type_ not in ("batch", "transaction"):
        return RequestBundle(type_, [])
    entries = await _entries(frame.get("entry", ()), raws, request.base, pace)
    await _check_frame(frame, services, pace)
    return RequestBundle(type_, entries)


def refuse_all(faults: Sequence[FhirError]) -> None:
    """Raise one error with the issues of all, of the class of the first; nothing for none."""
    if faults:
        issues = [issue for fault in faults for issue in fault.issues]
        raise type(faults[0])(issues=issues[:MOST_ISSUES], headers=faults[0].headers)


async def _open(
    request: FhirRequest, services: Services, pace: Pace
) -> tuple[Resource, list[bytes]]:
    """The Bundle without the resources of its entries, and these as bytes (empty: none)."""
    media, body = media_type(request), request.body
    size, depth = services.settings.max_body_bytes, services.settings.max_depth
    if media in XML:
        frame = from_xml(body, max_bytes=size, max_depth=depth)
        return frame, [_take(entry) for entry in frame.get("entry", ())]
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
    raws: list[bytes] = []
    for index, entry in enumerate(entries):
        await pace.step()
        with below(f"Bundle.entry[{index}]"):
            opened, raw = _open_entry(entry, depth)
        frame["entry"].append(opened)
        raws.append(raw)
    return frame, raws


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


def _open_entry(entry: bytes, depth: int) -> tuple[Any, bytes]:
    """One entry without its resource, and the resource's bytes."""
    try:
        raw = bytes(_entry_outline.decode(entry).resource)
    except msgspec.DecodeError:
        raise MalformedContent("The entry is no object") from None
    if not raw.startswith(b"{"):
        return codec.decode(entry, max_bytes=len(entry), max_depth=depth), b""
    start = entry.index(raw)
    cut = entry[:start] + _HOLE + entry[start + len(raw) :]
    opened = codec.decode(cut, max_bytes=len(cut), max_depth=depth)
    if opened["resource"]:  # the same text stands elsewhere in the entry
        opened = codec.decode(entry, max_bytes=len(entry), max_depth=depth)
    del opened["resource"]
    return opened, raw


def _take(entry: Any) -> bytes:
    resource = entry.pop("resource", None) if isinstance(entry, dict) else None
    return codec.encode(resource) if resource is not None else b""


async def _entries(found: list[Any], raws: list[bytes], base: str, pace: Pace) -> list[Entry]:
    entries: list[Entry] = []
    faults: list[FhirError] = []
    for index, (entry, raw) in enumerate(zip(found, raws, strict=True)):
        await pace.step()
        try:
            asked = entry_request(entry.get("request"), f"Bundle.entry[{index}]", base)
        except FhirError as fault:
            faults.append(fault)
            continue
        full_url = entry.get("fullUrl")
        entries.append(Entry(index, full_url if isinstance(full_url, str) else "", asked, raw))
    refuse_all(faults)
    return entries


async def _check_frame(frame: Resource, services: Services, pace: Pace) -> None:
    """Raise Unprocessable with the faults of the Bundle itself, its resources left out."""
    found = frame.get("entry")
    if not isinstance(found, list):
        refuse(services.validator.structure(frame))
        return
    issues: list[Issue] = []
    for start in range(0, len(found) or 1, _CHECKED_AT_ONCE):
        part = {**frame, "entry": found[start : start + _CHECKED_AT_ONCE]}
        if not found:
            del part["entry"]
        issues += (_shifted(issue, start) for issue in services.validator.structure(part))
        await pace.step()
    refuse(issues[:MOST_ISSUES])


def _shifted(issue: Issue, start: int) -> Issue:
    """The issue with the numbers of its entries counted from the Bundle's first one."""
    if not start:
        return issue
    places = tuple(
        _ENTRY.sub(lambda found: f"Bundle.entry[{int(found[1]) + start}]", place)
        for place in issue.expression
    )
    return Issue(issue.severity, issue.code, issue.diagnostics, places)
