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
from fhir_server.interactions.write import refuse
from fhir_server.services import Services

Dispatch = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]
"""What answers one request in process."""

MOST_ISSUES = 100
"""Faults told of one Bundle; whoever has more of them has one that repeats."""

_CHECKED_AT_ONCE = 50
_ENTRY = re.compile(r"^Bundle\.entry\[(\d+)\]")
_HOLE = b"{}"


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


class _ShallowEntry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Shallow(msgspec.Struct):
    entry: list[_ShallowEntry] = msgspec.field(default_factory=list)


_shallow = msgspec.json.Decoder(_Shallow)


async def open_bundle(request: FhirRequest, services: Services) -> RequestBundle:
    """The Bundle in the body.

    Raises MalformedContent where the body is none, MalformedRequest with the place of every
    request that is none, Unprocessable with the other faults of the frame.
    """
    frame, raws = _open(request, services)
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
    pace = Pace()
    found = frame.get("entry", [])
    entries: list[Entry] = []
    if isinstance(found, list):
        entries = await _entries(found, raws, request.base, pace)
    await _check_frame(frame, services, pace)
    return RequestBundle(type_, entries)


def refuse_all(faults: Sequence[FhirError]) -> None:
    """Raise one error with the issues of all, of the class of the first; nothing for none."""
    if faults:
        issues = [issue for fault in faults for issue in fault.issues]
        raise type(faults[0])(issues=issues[:MOST_ISSUES], headers=faults[0].headers)


def _open(request: FhirRequest, services: Services) -> tuple[Resource, list[bytes]]:
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
        shallow = _shallow.decode(body).entry
    except (msgspec.DecodeError, RecursionError):
        codec.decode(body, max_bytes=size, max_depth=depth)  # says it better, and where
        raise MalformedContent("The body is no Bundle", expression="Bundle.entry") from None
    raws = [bytes(entry.resource) for entry in shallow]
    frame = codec.decode(_cut(body, raws), max_bytes=size, max_depth=depth)
    for entry, raw in zip(frame.get("entry", ()), raws, strict=True):
        if _is_object(raw):
            del entry["resource"]
    return frame, [raw if _is_object(raw) else b"" for raw in raws]


def _cut(body: bytes, raws: Sequence[bytes]) -> bytes:
    """The body with a hole in the place of every resource: little is left of a large Bundle."""
    pieces: list[bytes] = []
    end = 0
    for raw in raws:
        if _is_object(raw):
            start = body.index(raw, end)
            pieces += (body[end:start], _HOLE)
            end = start + len(raw)
    pieces.append(body[end:])
    return b"".join(pieces)


def _is_object(raw: bytes) -> bool:
    return raw.startswith(b"{")


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
