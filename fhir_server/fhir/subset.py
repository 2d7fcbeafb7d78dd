"""Parts of a resource: `_summary` and `_elements`, on its bytes.

https://hl7.org/fhir/R4/search.html#summary, #elements. A resource that lacks something carries the
tag SUBSETTED, so that nobody takes it for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from fhir_server.errors import MalformedRequest
from fhir_server.fhir import codec
from fhir_server.fhir.definitions import Definitions, Element

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
SUMMARIES = ("true", "text", "data", "count", "false")

Kept = Mapping[str, str]
"""JSON property -> the backbone that its value is trimmed to; "" where it stays whole."""

_IDENTITY = frozenset({"id", "meta"})


def subset_bytes(
    raw: bytes, query: Sequence[tuple[str, str]], definitions: Definitions
) -> bytes | None:
    """The part of a stored resource that `query` asks for; None where it asks for all of it.

    Mandatory and modifier elements stay. Raises MalformedRequest for a `_summary` that is not
    known, an element that no type has, or both parameters at once.
    """
    summary, elements = _asked(query)
    if summary in ("", "false") and not elements:
        return None
    properties = codec.members(raw)
    type_ = str(codec.value(properties["resourceType"]))
    kept = _kept(type_, summary, elements, definitions)
    if kept is None:
        return None
    trimmed: dict[str, Any] = {"resourceType": type_}
    for name, value in properties.items():
        backbone = kept.get(name.removeprefix("_"))
        if backbone:
            trimmed[name] = _trim(codec.value(value), backbone, definitions)
        elif backbone is not None:
            trimmed[name] = value
    meta = codec.members(properties["meta"]) if "meta" in properties else {}
    tags = codec.value(meta["tag"]) if "tag" in meta else []
    if SUBSETTED["code"] not in [tag.get("code") for tag in tags]:
        tags = [*tags, SUBSETTED]
    trimmed["meta"] = {**meta, "tag": tags}
    return codec.encode(trimmed)


def _asked(query: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    summary = ""
    elements: list[str] = []
    for name, value in query:
        if name == "_summary":
            summary = value
        elif name == "_elements":
            elements += [element.strip() for element in value.split(",") if element.strip()]
    if summary not in ("", *SUMMARIES):
        raise MalformedRequest(f"_summary={summary} is not known; use {', '.join(SUMMARIES)}")
    if summary not in ("", "false") and elements:
        raise MalformedRequest(f"_elements cannot be asked for together with _summary={summary}")
    return summary, tuple(elements)


@lru_cache(maxsize=1024)
def _kept(
    type_: str, summary: str, elements: tuple[str, ...], definitions: Definitions
) -> Kept | None:
    """What stays of a type; None where all of it does."""
    if summary == "count":
        raise MalformedRequest("_summary=count is for searches; a resource has no count")
    table = definitions.types[type_].elements
    if summary == "true":
        return _summary(type_, definitions)
    if summary == "data":
        stay = frozenset(table) - {"text"}
    elif summary == "text":
        stay = frozenset(name for name, e in table.items() if e.min or name == "text")
    else:
        asked = _named(type_, elements, definitions)
        if asked is None:
            return None
        stay = asked | frozenset(name for name, e in table.items() if e.min or e.modifier)
    return _properties(type_, stay | _IDENTITY, definitions)


def _named(
    type_: str, elements: tuple[str, ...], definitions: Definitions
) -> frozenset[str] | None:
    """The root elements that are asked for of this type; None where none is said of it."""
    named = set()
    for text in elements:
        prefix, dot, name = text.rpartition(".")
        root = name.removesuffix("[x]")
        if root not in _everywhere(definitions):
            raise MalformedRequest(
                f"_elements={text}: no resource type has an element {root} at its root; "
                "name elements without a type's suffix, such as value for valueQuantity"
            )
        if not dot or prefix == type_:
            named.add(root)
    return frozenset(named) if named else None


@lru_cache(maxsize=4)
def _everywhere(definitions: Definitions) -> frozenset[str]:
    """The root elements of all resource types."""
    types = (definitions.types[type_] for type_ in definitions.resource_types)
    return frozenset(name for type_ in types for name in type_.elements)


@lru_cache(maxsize=1024)
def _summary(type_: str, definitions: Definitions) -> Kept:
    """What the definitions mark as summary, and what may never be missing."""
    table = definitions.types[type_].elements
    stay = {name for name, e in table.items() if e.summary or e.min or e.modifier}
    return {
        name: _backbone(table[root], definitions)
        for name, root in _roots(type_, definitions)
        if root in stay
    }


def _backbone(element: Element, definitions: Definitions) -> str:
    """The backbone to trim: one that has summary elements of its own."""
    if element.content is None:
        return ""
    children = definitions.types[element.content].elements.values()
    return element.content if any(e.summary for e in children if not e.modifier) else ""


def _properties(type_: str, stay: frozenset[str], definitions: Definitions) -> Kept:
    return {name: "" for name, root in _roots(type_, definitions) if root in stay}


def _roots(type_: str, definitions: Definitions) -> list[tuple[str, str]]:
    """Each JSON property of a type with its element's name (`valueString`, `value`)."""
    json = definitions.types[type_].json
    return [(name, element.name) for name, (element, _) in json.items()]


def _trim(value: Any, backbone: str, definitions: Definitions) -> Any:
    if isinstance(value, list):
        return [_trim(item, backbone, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    kept = _summary(backbone, definitions)
    trimmed = {}
    for name, child in value.items():
        deeper = kept.get(name.removeprefix("_"))
        if deeper is not None:
            trimmed[name] = _trim(child, deeper, definitions) if deeper else child
    return trimmed
