"""What a resource points at: found by the definitions, read, and rewritten.

https://hl7.org/fhir/R4/references.html#literal and, for the rewriting in transactions,
https://hl7.org/fhir/R4/http.html#trules: Reference.reference, elements of the types uri, url, oid
and uuid, and the links and images of narratives; never canonical.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from html import escape, unescape
from typing import Any, NamedTuple

from fhir_server.fhir import codec
from fhir_server.fhir.definitions import load
from fhir_server.fhir.elements import Content, Element, element

Mapping = Callable[[str], str | None]
"""What a text becomes; None where it stays."""

_POINTING = frozenset({"uri", "url", "oid", "uuid"})
_LITERAL = re.compile(
    r"(?:(?P<base>https?://[^?#]+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?(?:#(?P<fragment>.*))?"
)
_CONDITIONAL = re.compile(r"(?:(?P<base>https?://[^?#]+)/)?(?P<type>[A-Z][A-Za-z]+)\?(?P<query>.+)")
_KNOWN = 200
"""Texts up to this length are remembered: most references come again and again."""
_LINK = re.compile(r"""(<(?:a|img)\b[^<>]*?\s(?:href|src)\s*=\s*)(?:"([^"<]*)"|'([^'<]*)')""")


class Literal(NamedTuple):
    """A reference's text, read. What it has not is empty.

    `Type/id`, with a version, below a base or with a fragment: `type` and `id` are given.
    `Type?query`: `type` and `query`. `#x`: `fragment` alone. Anything else: `other`, such as a URN.
    """

    base: str = ""
    type: str = ""
    id: str = ""
    version: str = ""
    fragment: str = ""
    query: str = ""
    other: str = ""


class Found(NamedTuple):
    """A place that points: its FHIRPath below the resource, its text, and the type that says so.

    `type` is `Reference`, `uri`, `url`, `oid`, `uuid`, or `xhtml` for a link in a narrative.
    """

    place: str
    text: str
    type: str


def parse(text: str) -> Literal:
    """The parts of a literal reference; every text is one of the kinds of `Literal`."""
    return _known(text) if len(text) <= _KNOWN else _parse(text)


def _parse(text: str) -> Literal:
    match = _LITERAL.fullmatch(text)
    if match:
        found = match.groupdict(default="")
        return Literal(
            found["base"], found["type"], found["id"], found["version"], found["fragment"]
        )
    match = _CONDITIONAL.fullmatch(text)
    if match:
        return Literal(match["base"] or "", match["type"], query=match["query"])
    if text.startswith("#"):
        return Literal(fragment=text[1:])
    return Literal(other=text)


_known = lru_cache(maxsize=65_536)(_parse)


def find(resource: dict[str, Any]) -> Iterator[Found]:
    """Every place of the resource that points somewhere, contained resources included."""
    type_ = resource.get("resourceType", "")
    yield from _find(resource, type_, type_)


def rewrite(resource: dict[str, Any], mapping: Mapping) -> dict[str, Any]:
    """The resource with every text that points replaced as `mapping` says.

    The resource itself where nothing changes, else a copy that shares the rest with it.
    """
    changed = _rewrite(resource, resource.get("resourceType", ""), mapping)
    return changed if isinstance(changed, dict) else resource


@dataclass(slots=True)
class Settled:
    """What rewriting has come to so far, where it comes to the same in every resource of a Bundle.

    `texts` are filled by the mapping, None for those that stay; `elements` by `rewrite_content`.
    `marks`: of these bytes the JSON of every text that may change has one; () where any text may.
    """

    texts: dict[str, str | None] = field(default_factory=dict)
    elements: dict[Element, Element] = field(default_factory=dict)
    marks: tuple[bytes, ...] = ()

    def stays(self, raw: bytes) -> bool:
        """Whether there is no text in this JSON that may change."""
        for mark in self.marks:
            if raw.find(mark) >= 0:
                return False
        return bool(self.marks)


def rewrite_content(content: Content, mapping: Mapping, settled: Settled | None = None) -> Content:
    """The content with its resource as by `rewrite`, and with what is known of its new elements.

    The content itself where nothing changes.
    """
    type_ = content.resource["resourceType"]
    if not content.elements:
        resource = rewrite(content.resource, mapping)
        same = resource is content.resource
        return content if same else Content(resource, codec.encode(resource))
    settled = settled or Settled()
    known = settled.elements
    steps = _steps(type_)
    changed: dict[str, Element] = {}
    for name, one in content.elements.items():
        new = known.get(one)
        if new is None:
            if name not in steps or settled.stays(one.raw):
                known[one] = one
                continue
            new = _rewritten(one, type_, name, steps[name], mapping, settled)
        if new is not one:
            changed[name] = new
    if not changed:
        return content
    elements = {**content.elements, **changed}
    resource = {**content.resource}
    for name, one in changed.items():
        resource[name] = one.value
    return Content(resource, content.raw, elements)


def _rewritten(
    one: Element, type_: str, name: str, step: str, mapping: Mapping, settled: Settled
) -> Element:
    """The element itself where nothing changes; settled if all its texts are."""
    if one.links is None:
        one.links = _texts(one.value, step)
    new = one
    if any(map(mapping, one.links)):
        part = _rewrite(one.value, step, mapping)
        new = one if part is one.value else _element(type_, name, part)
    if one.links <= settled.texts.keys():
        settled.elements[one] = new
    return new


def _texts(node: Any, type_: str) -> frozenset[str]:
    """The texts in a node of the type that point."""
    found: set[str] = set()
    _rewrite(node, type_, found.add)  # which changes none of them
    return frozenset(found)


def _element(type_: str, name: str, value: Any) -> Element:
    return element(codec.encode(type_), name, codec.encode(value))


@cache
def _steps(type_: str) -> dict[str, str]:
    """JSON property -> type to go on with: only those that may point or have children."""
    definition = load().types.get(type_)
    if definition is None:
        return {}
    steps = {}
    for name, (defined, code) in definition.json.items():
        if type_ == "Reference" and name == "reference":
            steps[name] = "Reference.reference"
        elif type_ == "Extension" and name == "url":
            continue  # the definition of the extension, no pointer
        elif code in _POINTING or code == "xhtml":
            steps[name] = code
        elif load().types[code].kind == "primitive-type":
            steps[f"_{name}"] = "Element"
        else:
            steps[name] = defined.content or code
        if code in _POINTING:
            steps[f"_{name}"] = "Element"
    return steps


def _find(node: Any, type_: str, place: str) -> Iterator[Found]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _find(item, type_, f"{place}[{index}]")
    elif isinstance(node, dict):
        steps = _steps(node.get("resourceType", "") if type_ == "Resource" else type_)
        for name, child in node.items():
            step = steps.get(name)
            if step is not None:
                yield from _find(child, step, f"{place}.{name}")
    elif not isinstance(node, str):
        return
    elif type_ == "xhtml":
        for match in _LINK.finditer(node):
            yield Found(place, unescape(match[2] or match[3] or ""), type_)
    else:
        yield Found(place, node, type_.partition(".")[0])


def _rewrite(node: Any, type_: str, mapping: Mapping) -> Any:
    """The new node; the very same object where nothing changed."""
    if type(node) is dict:
        steps = _steps(node.get("resourceType", "") if type_ == "Resource" else type_)
        changed: dict[str, Any] | None = None
        for name, child in node.items():
            step = steps.get(name)
            if step is None:
                continue
            # Most of what is looked at is text: a call for each would cost more than the look.
            if type(child) is str and step != "xhtml":
                new: Any = mapping(child) or child
            else:
                new = _rewrite(child, step, mapping)
            if new is not child:
                changed = changed or dict(node)
                changed[name] = new
        return node if changed is None else changed
    if type(node) is list:
        items = [_rewrite(item, type_, mapping) for item in node]
        same = all(new is old for new, old in zip(items, node, strict=True))
        return node if same else items
    if type(node) is not str:
        return node
    if type_ == "xhtml":
        return _rewrite_links(node, mapping)
    return mapping(node) or node


def _rewrite_links(div: str, mapping: Mapping) -> str:
    if "href" not in div and "src" not in div:
        return div

    def replaced(match: re.Match[str]) -> str:
        new = mapping(unescape(match[2] or match[3] or ""))
        return match[0] if new is None else f'{match[1]}"{escape(new)}"'

    changed = _LINK.sub(replaced, div)
    return div if changed == div else changed
