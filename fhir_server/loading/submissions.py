"""What a file comes to: the requests that load it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from fhir_server.errors import FhirError
from fhir_server.fhir.codec import encode
from fhir_server.fhir.xml import from_xml
from fhir_server.loading.content import Unreadable

LONGEST = 1024 * 1024 * 1024
"""Bytes of a line at most, where it is not known how much the server takes."""

_PROCESSED = ("transaction", "batch")
_GATHERED = ("collection", "searchset")
_SKIPPED = 1024 * 1024

T = TypeVar("T")


class Submission(NamedTuple):
    """One request: `place` says where in the file it comes from (empty: the whole of it)."""

    method: str
    path: str
    body: bytes
    entries: int
    place: str = ""


class Reply(NamedTuple):
    """The status and the body, an OperationOutcome where the status says that it failed."""

    status: int
    body: bytes


Send = Callable[[Submission], Awaitable[Reply]]


class Source(Protocol):
    """Where content is read from: `content.Content`, or any binary stream."""

    def read(self) -> bytes:
        """All that is left."""
        ...

    def readline(self, size: int, /) -> bytes:
        """The bytes to the end of a line, `size` at most; none at the end."""
        ...


class Unloadable(ValueError):
    """Content that cannot be loaded, at `place` in its file (empty: all of it)."""

    def __init__(self, text: str, place: str = "") -> None:
        super().__init__(text)
        self.place = place


class _Entry(msgspec.Struct, rename="camel", omit_defaults=True):
    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    type: object = None
    entry: msgspec.Raw = msgspec.Raw(b"[]")


class _Request(msgspec.Struct):
    method: str
    url: str


class _TransactionEntry(msgspec.Struct, rename="camel", omit_defaults=True):
    resource: msgspec.Raw
    request: _Request
    full_url: str = ""


class _Transaction(msgspec.Struct, rename="camel"):
    entry: list[_TransactionEntry]
    resource_type: str = "Bundle"
    type: str = "transaction"


def line(place: str) -> int:
    """The number of the line that a place names; 0 where it names none."""
    number = place.rpartition("line ")[2]
    return int(number) if number.isdigit() else 0


def submissions(
    kind: str, content: Source, longest: int = LONGEST
) -> Iterator[Submission | Unloadable]:
    """The requests that load a file of one of `files.KINDS`, resources byte for byte as in it.

    Transactions and batches are sent as they are; collections and search results become one
    transaction of their resources; any other resource, and each line of NDJSON, is stored under
    its own id, or under a new one where it has none. What is no resource comes as Unloadable, and
    so do a line of more than `longest` bytes and the fault at which the file cannot be read on.
    Lines are read as they are needed.
    """
    if kind == ".ndjson":
        yield from _lines(content, longest)
        return
    try:
        body = content.read()
        yield _whole(_from_xml(body) if kind == ".xml" else body)
    except Unreadable as fault:
        yield Unloadable(str(fault))
    except Unloadable as fault:
        yield fault


def _lines(content: Source, longest: int) -> Iterator[Submission | Unloadable]:
    number = 0
    try:
        while line := content.readline(longest + len(b"\r\n")):
            number += 1
            body = line.rstrip(b"\r\n")
            if len(body) > longest:
                _skip(content, line)
                text = f"The line has more than the {longest} bytes that are accepted"
                yield Unloadable(text, f"line {number}")
            elif body.strip():
                yield _line(body, f"line {number}")
    except Unreadable as fault:
        yield Unloadable(str(fault), f"after line {number}" if number else "")


def _skip(content: Source, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = content.readline(_SKIPPED)


def _line(body: bytes, place: str) -> Submission | Unloadable:
    try:
        return _single(body, place)
    except Unloadable as fault:
        return fault


def _from_xml(body: bytes) -> bytes:
    try:
        return encode(from_xml(body))
    except FhirError as fault:
        raise Unloadable(str(fault)) from None


def _whole(body: bytes) -> Submission:
    head = _decoded(body, _Head)
    if head.resource_type != "Bundle":
        return _single(body, "")
    if head.type in _PROCESSED:
        return Submission("POST", "", body, len(_decoded(head.entry, list[msgspec.Raw])))
    if head.type in _GATHERED:
        entries = _decoded(head.entry, list[_Entry])
        return Submission("POST", "", _transaction(entries), len(entries))
    return _single(body, "")


def _single(body: bytes, place: str) -> Submission:
    return Submission(*_request(body, place), body, 1, place)


def _transaction(entries: list[_Entry]) -> bytes:
    made = []
    for number, entry in enumerate(entries):
        if not bytes(entry.resource):
            continue
        place = f"entry[{number}]"
        request = _Request(*_request(bytes(entry.resource), place))
        made.append(_TransactionEntry(entry.resource, request, entry.full_url))
    return msgspec.json.encode(_Transaction(made))


def _request(resource: bytes, place: str) -> tuple[str, str]:
    head = _decoded(resource, _Head, place)
    if not head.resource_type:
        raise Unloadable("There is no resourceType, so this is no FHIR resource", place)
    if head.id:
        return "PUT", f"{head.resource_type}/{head.id}"
    return "POST", head.resource_type


def _decoded(body: bytes | msgspec.Raw, type_: type[T], place: str = "") -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise Unloadable(f"This is no FHIR resource in JSON: {fault}", place) from None
