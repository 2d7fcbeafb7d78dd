"""Resources as the elements that they are made of, each kept for the next one that is the same.

Records say the same again and again: the code of a test, its category, the patient of a visit.
What can be worked out of an element depends on its bytes and its name alone, so it is worked out
once: its value here, its validity and its search keys by those who hang them on the `Element`.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import msgspec

from fhir_server.fhir import codec
from fhir_server.fhir.codec import IDENTITY, MAX_BYTES, MAX_DEPTH, Resource

__all__ = ["NONE", "Content", "Element", "Elements", "element", "encode", "read", "stamp"]

LONGEST = 2_000
"""Bytes of an element that is kept; longer ones seldom come again."""

KEPT = 8_192
"""Elements that are kept: those used last. With all that hangs on them some 20 MB."""

NEVER = (None, None)


class Element:
    """One property of a resource of one type, all its repetitions together.

    `value` is shared by all resources that have the element: nobody may change it. `keys` and
    `depth` are its JSON's number of keys and levels. The other attributes belong to those who fill
    them; what they put there says for whom it holds.
    """

    __slots__ = ("depth", "found", "keys", "lawful", "links", "member", "raw", "right", "value")

    def __init__(self, name: str, raw: bytes) -> None:
        self.raw = raw
        self.member = b",%b:%b" % (codec.encode(name), raw)
        """Its JSON with its name, as it follows another one."""
        self.value: Any = codec.value(raw)
        self.keys, self.depth = codec.measure(self.value)
        self.right: object = None
        """The structure check that found no fault in it."""
        self.lawful: object = None
        """The invariants that it obeys."""
        self.found: tuple[object, Any] = NEVER
        """The indexer that met it, and what that found in it."""
        self.links: frozenset[str] | None = None
        """The texts in it that point somewhere."""

    @property
    def alone(self) -> bool:
        """Whether its validity depends on nothing around it.

        So it has no local references, no extensions and no resources in it.
        """
        raw = self.raw
        return not (
            b'"#' in raw
            or b'xtension":' in raw
            or b'"resourceType":' in raw
            or b"\\u" in raw  # which might spell any of these
        )


Elements: TypeAlias = "dict[str, Element] | MappingProxyType[str, Element]"
"""By the names of the properties. What a resource's own value is not, does not count for it."""

NONE: Elements = MappingProxyType({})
"""Of a resource that did not come as JSON, or is not known element by element."""


class Content(NamedTuple):
    """A resource decoded, its minified JSON, and what is known of its elements."""

    resource: Resource
    raw: bytes
    elements: Elements = NONE


def read(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Content:
    """The resource in a JSON body. Its parts are shared: change a copy, never the thing itself.

    Raises what `codec.parse` raises.
    """
    found = _read(body, max_depth) if len(body) <= max_bytes else None
    return found or Content(*codec.parse(body, max_bytes=max_bytes, max_depth=max_depth))


def _read(body: bytes, max_depth: int) -> Content | None:
    """None for what is not quite right: `parse` looks closer and says why."""
    resource: Resource = {}
    elements: dict[str, Element] = {}
    try:
        minified = msgspec.json.format(body, indent=-1)
        parts = codec.members(minified)
        type_ = bytes(parts.get("resourceType", b""))
        keys, depth = len(parts), 0
        for name, part in parts.items():
            elements[name] = one = element(type_, name, bytes(part))
            resource[name] = one.value
            if one.depth:
                keys += one.keys
                depth = max(depth, one.depth)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    if keys != minified.count(b'":') or depth >= max_depth:
        return None
    return Content(resource, minified, elements)


def element(type_: bytes, name: str, raw: bytes) -> Element:
    """The element with this minified JSON of resources of a type (whose name is in JSON too)."""
    return _known(type_, name, raw) if len(raw) <= LONGEST else Element(name, raw)


@lru_cache(maxsize=KEPT)
def _known(type_: bytes, name: str, raw: bytes) -> Element:
    return Element(name, raw)


def encode(resource: Resource, elements: Elements) -> bytes:
    """The resource's minified JSON; elements that are known are taken as they were written."""
    return b"{%b}" % b"".join(_members(resource, elements))[1:]


def stamp(resource: Resource, elements: Elements, version: int, updated: int) -> bytes:
    """The resource's minified JSON with its meta as by `codec.stamp`."""
    meta = resource.get("meta")
    if meta is not None:
        known = elements.get("meta")
        meta = known.raw if known is not None and known.value is meta else codec.encode(meta)
    begin = codec.identity(resource["resourceType"], resource["id"], version, updated, meta)
    return b"%b%b}" % (begin, b"".join(_members(resource, elements, IDENTITY)))


def _members(resource: Resource, elements: Elements, without: Container[str] = ()) -> list[bytes]:
    found = []
    for name, value in resource.items():
        if name not in without:
            known = elements.get(name)
            found.append(
                known.member
                if known is not None and known.value is value
                else b",%b:%b" % (codec.encode(name), codec.encode(value))
            )
    return found
