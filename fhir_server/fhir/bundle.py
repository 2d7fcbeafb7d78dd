"""Bundles spliced from the bytes of their resources (https://hl7.org/fhir/R4/bundle.html).

Nothing here decodes a resource: an entry is bytes, a Bundle is a join of entries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from fhir_server.fhir import codec

Mode = Literal["match", "include", "outcome"]
Kind = Literal["searchset", "history", "batch-response", "transaction-response"]

STREAM_BYTES = 64 * 1024
"""A streamed Bundle goes out in parts of about this size."""


class Link(NamedTuple):
    """One `Bundle.link`: `self`, `next`, ... and its absolute URL."""

    relation: str
    url: str


def searchset(
    entries: Sequence[bytes],
    links: Sequence[Link] = (),
    total: int | None = None,
    *,
    id_: str | None = None,
    updated: int | None = None,
) -> bytes:
    """A searchset of entries made by `match_entry`; `total` counts the matches of all pages.

    `updated` is the moment of the search in microseconds since 1970 UTC.
    """
    return _assemble("searchset", entries, links, total, id_=id_, updated=updated)


def history(
    entries: Sequence[bytes],
    links: Sequence[Link] = (),
    total: int | None = None,
    *,
    id_: str | None = None,
    updated: int | None = None,
) -> bytes:
    """A history of entries made by `history_entry`, newest first as they are given."""
    return _assemble("history", entries, links, total, id_=id_, updated=updated)


def response(
    kind: Literal["batch-response", "transaction-response"],
    entries: Sequence[bytes],
    links: Sequence[Link] = (),
    *,
    id_: str | None = None,
) -> bytes:
    """The answer to a batch or a transaction, of entries made by `response_entry`."""
    return _assemble(kind, entries, links, id_=id_)


def _assemble(
    kind: Kind,
    entries: Sequence[bytes],
    links: Sequence[Link] = (),
    total: int | None = None,
    *,
    id_: str | None = None,
    updated: int | None = None,
) -> bytes:
    """A Bundle of any kind. Without entries there is no `entry`: FHIR has no empty arrays."""
    head = _head(kind, links, total, id_, updated)
    if not entries:
        return head + b"}"
    return b"".join((head, b',"entry":[', b",".join(entries), b"]}"))


async def stream(
    kind: Kind,
    entries: AsyncIterator[bytes],
    links: Sequence[Link] = (),
    total: int | None = None,
    *,
    id_: str | None = None,
    updated: int | None = None,
) -> AsyncIterator[bytes]:
    """The parts of a Bundle whose entries are still coming; never the whole in memory."""
    parts = [_head(kind, links, total, id_, updated)]
    size = 0
    separator = b',"entry":['
    async for entry in entries:
        parts += (separator, entry)
        separator = b","
        size += len(entry)
        if size >= STREAM_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    parts.append(b"]}" if separator == b"," else b"}")
    yield b"".join(parts)


def match_entry(full_url: str, raw: bytes, mode: Mode = "match") -> bytes:
    """An entry of a searchset. An outcome among the matches has an empty `full_url`."""
    url = b'"fullUrl":%b,' % codec.encode(full_url) if full_url else b""
    return b'{%b"resource":%b,"search":{"mode":"%b"}}' % (url, raw, mode.encode())


class Stored(Protocol):
    """A resource as its type, its id and its bytes."""

    @property
    def type(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def raw(self) -> bytes: ...


def match_entries(base: str, resources: Iterable[Stored], mode: Mode = "match") -> list[bytes]:
    """Entries of a searchset for resources whose URLs all lie below `base`."""
    heads = _Heads(base)
    tail = b',"search":{"mode":"%b"}}' % mode.encode()
    return [
        b"".join((heads[one.type], one.id.encode(), b'","resource":', one.raw, tail))
        for one in resources
    ]


class _Heads(dict[str, bytes]):
    """By type what an entry begins with, up to the resource's id; made when it is asked for."""

    def __init__(self, base: str) -> None:
        self._base = base

    def __missing__(self, type_: str) -> bytes:
        head = b'{"fullUrl":' + codec.encode(f"{self._base}/{type_}/")[:-1]
        self[type_] = head
        return head


def history_entry(
    full_url: str,
    raw: bytes | None,
    *,
    method: str,
    url: str,
    status: str,
    version: int,
    updated: int,
) -> bytes:
    """An entry of a history; `raw` is None for a deletion, `url` is relative to the base."""
    request = b'"request":{"method":"%b","url":%b}' % (method.encode(), codec.encode(url))
    answer = (
        f'"response":{{"status":"{status}","etag":"W/\\"{version}\\"",'
        f'"lastModified":"{codec.instant(updated)}"}}'
    ).encode()
    resource = b'"resource":%b,' % raw if raw is not None else b""
    return b'{"fullUrl":%b,%b%b,%b}' % (codec.encode(full_url), resource, request, answer)


def response_entry(
    status: str,
    *,
    full_url: str = "",
    resource: bytes | None = None,
    location: str = "",
    etag: str = "",
    last_modified: str = "",
    outcome: bytes | None = None,
) -> bytes:
    """An entry of a batch or transaction response.

    `status` is such as "201 Created", `etag` with its quotes, `last_modified` a FHIR instant.
    """
    response: dict[str, str | msgspec.Raw] = {"status": status}
    if location:
        response["location"] = location
    if etag:
        response["etag"] = etag
    if last_modified:
        response["lastModified"] = last_modified
    if outcome is not None:
        response["outcome"] = msgspec.Raw(outcome)
    entry: dict[str, Any] = {}
    if full_url:
        entry["fullUrl"] = full_url
    if resource is not None:
        entry["resource"] = msgspec.Raw(resource)
    entry["response"] = response
    return codec.encode(entry)


def _head(
    kind: Kind,
    links: Sequence[Link],
    total: int | None,
    id_: str | None,
    updated: int | None,
) -> bytes:
    """The opening of a Bundle up to its entries, still without the closing brace."""
    parts = ['{"resourceType":"Bundle"']
    if id_ is not None:
        parts.append(f',"id":"{id_}"')
    if updated is not None:
        parts.append(f',"meta":{{"lastUpdated":"{codec.instant(updated)}"}}')
    parts.append(f',"type":"{kind}"')
    if total is not None:
        parts.append(f',"total":{total}')
    head = "".join(parts).encode()
    if links:
        head += b',"link":%b' % codec.encode([link._asdict() for link in links])
    return head
