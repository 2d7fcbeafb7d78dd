"""A Bundle of requests: what each entry asks for, its resource still bytes until its turn.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.errors import FhirError, Issue, MalformedContent, MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import Resource
from fhir_server.interactions.bundle_frame import open_frame
from fhir_server.interactions.entry_request import EntryRequest, entry_request
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.usual_frame import Opened
from fhir_server.interactions.write import refuse
from fhir_server.services import Services

Dispatch = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]
"""What answers one request in process."""

MOST_ISSUES = 100
"""Faults told of one Bundle; whoever has more of them has one that repeats."""

_CHECKED_AT_ONCE = 50
_ENTRY = re.compile(r"^Bundle\.entry\[(\d+)\]")


@dataclass(slots=True)
class Entry:
    """One entry: what it asks for, and the bytes of its resource (empty: none)."""

    index: int
    place: str
    """Where the entry stands, as FHIRPath."""
    full_url: str
    request: EntryRequest
    raw: bytes


@dataclass(slots=True)
class RequestBundle:
    """A Bundle whose frame is checked; entries only of a batch or transaction."""

    type: str
    entries: list[Entry]


async def open_bundle(request: FhirRequest, services: Services) -> RequestBundle:
    """The Bundle in the body.

    Raises MalformedContent where the body is none, MalformedRequest with the place of every
    request that is none, Unprocessable with the other faults of the frame.
    """
    pace = Pace()
    frame, opened = await open_frame(request, services, pace)
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
    entries = await _entries(opened, request.base, pace)
    await _check_frame(frame, opened, services, pace)
    return RequestBundle(type_, entries)


def refuse_all(faults: Sequence[FhirError]) -> None:
    """Raise one error with the issues of all, of the class of the first; nothing for none."""
    if faults:
        issues = [issue for fault in faults for issue in fault.issues]
        raise type(faults[0])(issues=issues[:MOST_ISSUES], headers=faults[0].headers)


async def _entries(opened: Sequence[Opened], base: str, pace: Pace) -> list[Entry]:
    entries: list[Entry] = []
    faults: list[FhirError] = []
    known: dict[bytes, EntryRequest] = {}
    for index, one in enumerate(opened):
        if not index % _CHECKED_AT_ONCE:
            await pace.step()
        place = f"Bundle.entry[{index}]"
        asked = known.get(one.request)
        if asked is None:
            try:
                asked = entry_request(one.members.get("request"), place, base)
            except FhirError as fault:
                faults.append(fault)
                continue
            if one.request:
                known[one.request] = asked
        url = one.members.get("fullUrl")
        entries.append(Entry(index, place, url if type(url) is str else "", asked, one.raw))
    refuse_all(faults)
    return entries


async def _check_frame(
    frame: Resource, opened: Sequence[Opened], services: Services, pace: Pace
) -> None:
    """Raise Unprocessable with the faults of the Bundle itself, its resources left out."""
    found = frame.get("entry")
    if not isinstance(found, list):
        refuse(services.validator.structure(frame))
        return
    # Entries with the same request are good or bad together: mostly a look at one is enough.
    alike = {one.request: one.members for one in opened if one.request}
    sample = [*alike.values(), *(one.members for one in opened if not one.request)]
    if len(sample) == len(found) or await _faults(frame, sample, services, pace):
        refuse(await _faults(frame, found, services, pace))


async def _faults(
    frame: Resource, entries: list[Any], services: Services, pace: Pace
) -> list[Issue]:
    """What is wrong with the Bundle if these are its entries."""
    issues: list[Issue] = []
    for start in range(0, len(entries) or 1, _CHECKED_AT_ONCE):
        part = {**frame, "entry": entries[start : start + _CHECKED_AT_ONCE]}
        if not entries:
            del part["entry"]
        issues += (_shifted(issue, start) for issue in services.validator.structure(part))
        await pace.step()
    return issues[:MOST_ISSUES]


def _shifted(issue: Issue, start: int) -> Issue:
    """The issue with the numbers of its entries counted from the Bundle's first one."""
    if not start:
        return issue
    places = tuple(
        _ENTRY.sub(lambda found: f"Bundle.entry[{int(found[1]) + start}]", place)
        for place in issue.expression
    )
    return Issue(issue.severity, issue.code, issue.diagnostics, places)
