"""JSON in and out, every number kept to the letter (https://hl7.org/fhir/R4/json.html).

`1.50` stays `1.50`, `1.2E+2` stays `1.2E+2`: a decimal's precision is part of its value in FHIR.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.errors import FhirError, MalformedContent, TooLarge

Resource = dict[str, Any]

MAX_BYTES = 100 * 1024 * 1024
MAX_DEPTH = 64
MAX_NUMBER = 100
"""The most characters of a number, and the most decimal places that its exponent may move it.

Wide for any measurement; without it `1e999999999` would stop whoever adds one to it.
"""

_SHORT = 500
"""Bytes of a meta that may come again and again."""

IDENTITY = ("resourceType", "id", "meta")
"""What a stored resource begins with."""
_EPOCH = datetime(1970, 1, 1)


class Literal(Decimal):
    """A decimal whose spelling is not the one that Python would give it (`1.2e2`, `-0`)."""

    __slots__ = ("text",)
    text: str

    def __str__(self) -> str:
        return self.text


def number(text: str) -> Decimal:
    """The decimal of a JSON number's text, which `str` gives back to the letter.

    Raises ValueError when the number has more than `MAX_NUMBER` digits or places.
    """
    if len(text) > MAX_NUMBER:
        raise ValueError(f"number of more than {MAX_NUMBER} characters")
    try:
        decimal = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"number {text} is out of range") from None
    if not -MAX_NUMBER <= decimal.adjusted() <= MAX_NUMBER:
        raise ValueError(f"number {text} is out of range")
    if str(decimal) == text:
        return decimal
    literal = Literal(text)
    literal.text = text
    return literal


def _literal(unknown: object) -> msgspec.Raw:
    if isinstance(unknown, Literal):
        return msgspec.Raw(unknown.text.encode())
    raise TypeError(f"{type(unknown).__name__} has no JSON form")


encode: Callable[[Any], bytes] = msgspec.json.Encoder(
    decimal_format="number", enc_hook=_literal
).encode
"""Compact JSON of a resource or any part of one; decimals to the letter."""

value: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder(float_hook=number).decode
"""Any JSON value from bytes that were checked before, such as a part of a stored resource."""

members: Callable[[bytes | msgspec.Raw], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
"""The properties of a JSON object as undecoded bytes, in order."""


def decode(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Resource:
    """The JSON object in `body`, its fractions as `Decimal`.

    Raises TooLarge above `max_bytes`; MalformedContent, with line and column or the FHIRPath
    place, for what is no UTF-8, no JSON, no object, deeper than `max_depth`, or has a key twice.
    """
    return parse(body, max_bytes=max_bytes, max_depth=max_depth)[0]


def parse(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> tuple[Resource, bytes]:
    """The resource as by `decode`, and its minified bytes, which `stamp` takes."""
    tree, minified = _parse(body, max_bytes, max_depth)
    if type(tree) is not dict:
        raise MalformedContent("The body is not a JSON object; a FHIR resource is one")
    return tree, minified


def decode_array(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> list[Any]:
    """The JSON array in `body`, under the rules of `decode`; a JSON Patch is one."""
    tree, _ = _parse(body, max_bytes, max_depth)
    if type(tree) is not list:
        raise MalformedContent("The body is not a JSON array")
    return tree


def _parse(body: bytes, max_bytes: int, max_depth: int) -> tuple[Any, bytes]:
    if len(body) > max_bytes:
        raise TooLarge(f"The body has {len(body)} bytes; at most {max_bytes} are accepted")
    try:
        minified = msgspec.json.format(body, indent=-1)
        tree, _ = part(minified, max_depth)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise _fault(body, error, max_depth) from None
    return tree, minified


def part(minified: bytes, max_depth: int | None = None) -> tuple[Any, int]:
    """A JSON value, and how many levels deep it is; a text has none.

    Raises MalformedContent for what is deeper than `max_depth` or has a key twice, and what
    msgspec raises for what is no JSON.
    """
    tree = value(minified)
    if type(tree) is not dict and type(tree) is not list:
        return tree, 0
    keys, depth = measure(tree, max_depth)
    # Every key ends in `":`; so does an escaped quote before a colon, hence the second look.
    if keys != minified.count(b'":'):
        _refuse_duplicates(minified)
    return tree, depth


def pretty(body: bytes) -> bytes:
    """The JSON indented by two blanks a level; strings and numbers stay to the letter."""
    return msgspec.json.format(body, indent=2)


def stamp(raw: bytes, type_: str, id_: str, version: int, updated: int) -> bytes:
    """The minified resource with its id, `meta.versionId` and `meta.lastUpdated` set.

    `updated` is in microseconds since 1970 UTC. Everything else stays to the letter and in its
    order; resourceType, id and meta come first.
    """
    properties = members(raw)
    begin = identity(type_, id_, version, updated, properties.get("meta"))
    return begin + _after_identity(raw, properties)


def identity(
    type_: str, id_: str, version: int, updated: int, meta: bytes | msgspec.Raw | None
) -> bytes:
    """How the stored resource begins: up to its meta, with what else the one given has in it."""
    head = (
        f'{{"resourceType":"{type_}","id":"{id_}","meta":'
        f'{{"versionId":"{version}","lastUpdated":"{instant(updated)}"'
    ).encode()
    if meta is None:
        return head + b"}"
    labels = _known_labels(bytes(meta)) if len(meta) <= _SHORT else _labels(meta)
    return b"%b%b}" % (head, labels)


def _labels(meta: bytes | msgspec.Raw) -> bytes:
    """What a meta has besides the version and its instant, as it follows these."""
    labels = [
        b",%b:%b" % (encode(name), part)
        for name, part in members(meta).items()
        if name not in ("versionId", "lastUpdated")
    ]
    return b"".join(labels)


_known_labels = lru_cache(maxsize=1_024)(_labels)  # most resources of a type have the same


def _after_identity(raw: bytes, properties: dict[str, msgspec.Raw]) -> bytes:
    """What follows resourceType, id and meta, beginning with a comma or the closing brace."""
    at = 0
    for name in IDENTITY:
        part = properties.pop(name, None)
        # Bytes in which all three come first, as most do, are cut there and not joined anew.
        if part is not None and at >= 0:
            opening = b'%b"%b":' % (b"," if at else b"{", name.encode())
            at = at + len(opening) + len(part) if raw.startswith(opening, at) else -1
    if at > 0:
        return raw[at:]
    rest = [b",%b:%b" % (encode(name), part) for name, part in properties.items()]
    return b"".join(rest) + b"}"


@lru_cache(maxsize=256)  # a Bundle's resources have one
def instant(updated: int) -> str:
    """Microseconds since 1970 UTC as a FHIR instant: `2026-11-21T20:35:00.123Z`."""
    seconds, rest = divmod(updated, 1_000_000)
    return f"{_second(seconds)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def measure(tree: Any, deepest: int | None = None) -> tuple[int, int]:
    """The number of keys in a decoded object or array, and how many levels deep it is.

    MalformedContent when there are more levels than `deepest`.
    """
    keys = depth = 0
    level: list[Any] = [tree]
    while level:
        depth += 1
        if deepest is not None and depth > deepest:
            raise MalformedContent(_too_deep(deepest))
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                keys += len(node)
                node = node.values()
            below += [child for child in node if type(child) is dict or type(child) is list]
        level = below
    return keys, depth


def _refuse_duplicates(minified: bytes) -> None:
    """Raises when an object has a key twice, naming the place."""
    found: list[tuple[dict[str, Any], str]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        node = dict(pairs)
        if len(node) != len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            found.append((node, twice))
        return node

    tree = json.loads(minified, object_pairs_hook=note, parse_int=str, parse_float=str)
    if not found:
        return
    # The object noted last holds or follows the others, so the tree still reaches it.
    node, name = found[-1]
    root = tree.get("resourceType", "") if isinstance(tree, dict) else ""
    place = next((p for p, n in _walk(tree, str(root)) if n is node), "")
    place = f"{place}.{name}" if place else name
    raise MalformedContent(f"The property {name} is there twice in one object", expression=place)


def _walk(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, node
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _walk(child, f"{place}.{name}" if place else name)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _walk(child, f"{place}[{index}]")


def _too_deep(max_depth: int) -> str:
    return f"The body is nested more than {max_depth} levels deep"


def _fault(body: bytes, error: Exception, max_depth: int) -> FhirError:
    """Says what is wrong with the body, and where in it."""
    if isinstance(error, RecursionError):
        return MalformedContent(_too_deep(max_depth))
    if not body.strip():
        return MalformedContent("The body is empty; a FHIR resource in JSON is expected")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return MalformedContent("The body begins with a byte order mark; send plain UTF-8")
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        where = _line_and_column(body, fault.start)
        return MalformedContent(f"The body is not UTF-8: byte 0x{body[fault.start]:02x} at {where}")
    if isinstance(error, msgspec.ValidationError) or not isinstance(error, msgspec.DecodeError):
        return MalformedContent(f"The body has a number out of range: {error}")
    text = str(error).removeprefix("JSON is malformed: ")
    if text == "Input data was truncated":
        return MalformedContent("The body is not JSON: it ends too early")
    reason, _, position = text.rpartition(" (byte ")
    where = _line_and_column(body, int(position.rstrip(")"))) if reason else "an unknown place"
    return MalformedContent(f"The body is not JSON: {reason or text} at {where}")


def _line_and_column(body: bytes, offset: int) -> str:
    before = body[:offset]
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    line = before.count(b"\n") + 1
    return f"line {line}, column {column}"
