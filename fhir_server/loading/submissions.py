"""What a file comes to: the requests that load it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from fhir_server.errors import FhirError
from fhir_server.fhir.codec import encode
from fhir_server.fhir.xml import from_xml

_PROCESSED = ("transaction", "batch")
_GATHERED = ("collection", "searchset")

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


def submissions(kind: str, body: bytes) -> Iterator[Submission | Unloadable]:
    """The requests that load a file of one of `files.KINDS`, resources byte for byte as in it.

    Transactions and batches are sent as they are; collections and search results become one
    transaction of their resources; any other resource, and each line of NDJSON, is stored under
    its own id, or under a new one where it has none. What is no resource comes as Unloadable.
    """
    try:
        if kind == ".ndjson":
            yield from _lines(body)
        else:
            yield _whole(_from_xml(body) if kind == ".xml" else body)
    except Unloadable as fault:
        yield fault


def _lines(body: bytes) -> Iterator[Submission | Unloadable]:
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            try:
                yield _single(line, f"line {number}")
            except Unloadable as fault:
                yield fault


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
