"""Resources as the elements that they are made of, each kept for the next one that is the same.

Records say the same again and again: the code of a test, its category, the patient of a visit.
What can be worked out of an element depends on its bytes and its name alone, so it is worked out
once: its value here, its validity and its search keys by those who hang them on the `Element`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from fhir_server.errors import MalformedContent
from fhir_server.fhir import codec
from fhir_server.fhir.codec import IDENTITY, MAX_BYTES, MAX_DEPTH, Resource

__all__ = ["NONE", "Content", "Element", "Elements", "element", "named", "read", "stamp"]

LONGEST = 2_000
"""Bytes of an element that is kept; longer ones seldom come again."""

KEPT = 8_192
"""Elements that are kept: those used last. With all that hangs on them some 20 MB."""

NEVER = (None, None)

_SHALLOW = 8
"""Brackets that are counted as levels: where even these are too many, `parse` looks closer."""

_IDENTITY = frozenset(IDENTITY)


class Element:
    """One property of a resource of one type, all its repetitions together.

    `value` is shared by all resources that have the element: nobody may change it. It has at most
    `depth` levels. `member` is its JSON with its name, as it follows another one, and `size` the
    number of its bytes. `alone`: what the element is found to be may be remembered, as it is kept
    and depends on nothing around it. So it has no local references, no extensions and no resources
    in it. The other attributes belong to those who fill them; what they put there says for whom it
    holds.
    """

    __slots__ = ("alone", "depth", "found", "links", "member", "raw", "right", "size", "value")

    def __init__(self, name: str, raw: bytes, kept: bool) -> None:
        """Raises what `codec.part` raises, and ValueError for JSON that is not minified."""
        self.raw = raw
        self.member = _opening(name) + raw
        self.size = len(self.member)
        self.value: Any = codec.value(raw)
        self.depth = 0 if raw[0] not in b"{[" else _depth(raw, self.value)
        # `in` would first take each of these for a number, and fail, at four times the cost.
        self.alone = (
            kept
            and raw.find(b'"#') < 0
            and raw.find(b'xtension":') < 0
            and raw.find(b'"resourceType":') < 0
            and raw.find(b"\\u") < 0  # which might spell any of these
        )
        self.right: object = None
        """Those checks that found no fault in it."""
        self.found: tuple[object, Any] = NEVER
        """The indexer that met it, and what that found in it."""
        self.links: frozenset[str] | None = None
        """The texts in it that point somewhere."""


@lru_cache(maxsize=4_096)
def _opening(name: str) -> bytes:
    return b",%b:" % codec.encode(name)


def _depth(raw: bytes, value: Any) -> int:
    # What is encoded to the same again is minified and has no key twice.
    if codec.encode(value) != raw:
        codec.part(raw)
        if msgspec.json.format(raw, indent=-1) != raw:
            raise ValueError("An element is not minified")
    brackets = raw.count(b"{") + raw.count(b"[")
    return brackets if brackets <= _SHALLOW else codec.measure(value)[1]


class _Kept(dict[tuple[bytes, str, bytes], Element]):
    """Elements by their resource's type, their name and their JSON.

    Made when they are first asked for. Half of them have been asked for since the others were
    last, so whatever comes again and again stays.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[bytes, str, bytes], Element] = {}
        self.deepest = 0
        """The depth of the deepest element so far."""

    def __missing__(self, key: tuple[bytes, str, bytes]) -> Element:
        _, name, raw = key
        # Ids, dates and numbers are read faster than remembered, and seldom come again.
        kept = name != "id" and not raw[1:2].isdigit() and len(raw) <= LONGEST
        one = self._before.pop(key, None) if kept else None
        if one is None:
            one = Element(name, raw, kept)
        if one.depth > self.deepest:
            self.deepest = one.depth
        if kept:
            if len(self) >= KEPT // 2:
                self._before = dict(self)
                self.clear()
            self[key] = one
        return one


_KNOWN = _Kept()

Elements: TypeAlias = "dict[str, Element] | MappingProxyType[str, Element]"
"""By the names of the properties, in their order."""

NONE: Elements = MappingProxyType({})
"""Of a resource that did not come as JSON, or is not known element by element."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """A resource decoded, its minified JSON, and what is known of its elements.

    Each of the `elements` has the very value that the resource has under its name. All but the id
    is among them, or none (NONE). Where they are known they say what the resource is to be stored
    as; `raw` is then still what was read, before an id was given and links were rewritten.
    """

    resource: Resource
    raw: bytes
    elements: Elements = NONE


def read(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Content:
    """The resource in a JSON body. Its parts are shared: change a copy, never the thing itself.

    Raises what `codec.parse` raises.
    """
    found = None
    if len(body) <= max_bytes:
        if body.startswith(b'{"resourceType":"'):  # so it is most likely minified already
            found = _read(body, max_depth)
        if found is None:
            found = _read(_minified(body), max_depth)
    return found or Content(*codec.parse(body, max_bytes=max_bytes, max_depth=max_depth))


def _minified(body: bytes) -> bytes:
    """Empty for what is no JSON."""
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return b""


def _read(minified: bytes, max_depth: int) -> Content | None:
    """None for what is not quite right, or not minified: `parse` looks closer and says why."""
    try:
        parts = codec.members(minified)
        type_ = bytes(parts.get("resourceType", b""))
        keys = zip(repeat(type_), parts, map(bytes, parts.values()))
        found = list(map(_KNOWN.__getitem__, keys))
    except (MalformedContent, msgspec.DecodeError, RecursionError, ValueError):
        return None
    resource: Resource = {}
    elements: dict[str, Element] = {}
    size = 1
    for name, one in zip(parts, found, strict=True):
        resource[name] = one.value
        elements[name] = one
        size += one.size
    # Whoever names an element twice, or leaves blanks between them, wrote more than these.
    if size != len(minified):
        return None
    if _KNOWN.deepest >= max_depth and max(one.depth for one in found) >= max_depth:
        return None
    return Content(resource, minified, elements)


def named(content: Content, id_: str) -> Content:
    """The content under this id, whatever its own is."""
    if content.resource.get("id") == id_:
        return content
    elements = content.elements
    if "id" in elements:
        elements = {name: one for name, one in elements.items() if name != "id"}
    return Content({**content.resource, "id": id_}, content.raw, elements)


def element(type_: bytes, name: str, raw: bytes) -> Element:
    """The element with this minified JSON of resources of a type (whose name is in JSON too)."""
    return _KNOWN[type_, name, raw]


def stamp(elements: Elements, type_: str, id_: str, version: int, updated: int) -> bytes:
    """The minified JSON of a resource of these elements, as by `codec.stamp`."""
    meta = elements.get("meta")
    begin = codec.identity(type_, id_, version, updated, None if meta is None else meta.raw)
    rest = [one.member for name, one in elements.items() if name not in _IDENTITY]
    return b"%b%b}" % (begin, b"".join(rest))
