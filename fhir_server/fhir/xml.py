"""XML in and out, by the definitions (https://hl7.org/fhir/R4/xml.html).

What comes in as XML goes on as the JSON that it means, so everything inside sees one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from fhir_server.errors import MalformedContent
from fhir_server.fhir import codec, narrative
from fhir_server.fhir.definitions import Element, load
from fhir_server.fhir.xml_tree import FHIR, Node, parse

_INTEGERS = frozenset({"integer", "unsignedInt", "positiveInt"})
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPES: dict[int, str | None] = {
    # XML cannot say these characters, and FHIR's string does not allow them either.
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)),
    **{ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"},
    **{ord("\t"): "&#9;", ord("\n"): "&#10;", ord("\r"): "&#13;"},
}


def to_xml(resource: dict[str, Any], *, pretty: bool = False) -> bytes:
    """The resource as an XML document, its elements in the order of the definitions."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write_resource(out, resource, f' xmlns="{FHIR}"', "\n" if pretty else "")
    return "".join(out).encode()


def from_xml(
    body: bytes, *, max_bytes: int = codec.MAX_BYTES, max_depth: int = codec.MAX_DEPTH
) -> dict[str, Any]:
    """The resource of an XML document, as its JSON; narratives are cleaned of active content.

    Raises TooLarge above `max_bytes`, and MalformedContent, with line, column and FHIRPath place,
    for what is no XML or not the XML of an R4 resource.
    """
    root = parse(body, max_bytes, max_depth)
    return _read_resource(root, root.name)


@cache
def _table(type_: str) -> dict[str, tuple[int, Element, str]] | None:
    """JSON name -> position, element and type code; None for a type that R4 has not."""
    definition = load().types.get(type_)
    if definition is None:
        return None
    named = enumerate(definition.json.items())
    return {name: (index, element, code) for index, (name, (element, code)) in named}


@cache
def _is_primitive(code: str) -> bool:
    definition = load().types.get(code)
    return definition is not None and definition.kind == "primitive-type"


def _write_resource(out: list[str], resource: dict[str, Any], attribute: str, feed: str) -> None:
    _write_children(
        out, resource["resourceType"], resource["resourceType"], resource, attribute, feed
    )


def _write_children(
    out: list[str], tag: str, type_: str, node: dict[str, Any], attributes: str, feed: str
) -> None:
    table = _table(type_) or {}
    present = {name.removeprefix("_") for name in node} & table.keys()
    rows = sorted((table[name], name) for name in present)
    out.append(f"<{tag}{attributes}")
    for (_, element, _), name in rows:
        if element.representation == "xmlAttr":
            out.append(f' {name}="{_escape(node[name])}"')
    contents = [row for row in rows if row[0][1].representation != "xmlAttr"]
    if not contents:
        out.append("/>")
        return
    out.append(">")
    deeper = feed and feed + "  "
    for (_, element, code), name in contents:
        for value, extra in _pairs(node.get(name), node.get(f"_{name}")):
            out.append(deeper)
            _write(out, name, element.content or code, value, extra, deeper)
    out.append(f"{feed}</{tag}>")


def _write(out: list[str], name: str, type_: str, value: Any, extra: Any, feed: str) -> None:
    if type_ == "Resource":
        out.append(f"<{name}>{feed and feed + '  '}")
        _write_resource(out, value, "", feed and feed + "  ")
        out.append(f"{feed}</{name}>")
    elif type_ == "xhtml":
        out.append(narrative.as_xml(value))
    elif _is_primitive(type_):
        text = "" if value is None else f' value="{_escape(value)}"'
        if extra:
            _write_children(out, name, "Element", extra, text, feed)
        else:
            out.append(f"<{name}{text}/>")
    else:
        _write_children(out, name, type_, value, "", feed)


def _pairs(value: Any, extra: Any) -> Iterator[tuple[Any, Any]]:
    """Each repetition of an element: its value, and the extensions of a primitive."""
    if not isinstance(value, list) and not isinstance(extra, list):
        yield value, extra
        return
    values, extras = value or [], extra or []
    for index in range(max(len(values), len(extras))):
        yield (
            values[index] if index < len(values) else None,
            extras[index] if index < len(extras) else None,
        )


def _escape(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).translate(_ESCAPES)


def _read_resource(node: Node, place: str) -> dict[str, Any]:
    definition = load().types.get(node.name)
    if definition is None or definition.kind != "resource" or definition.abstract:
        raise MalformedContent(
            f"{node.name} at {node.where} is not a resource type of R4", expression=place
        )
    return {"resourceType": node.name, **_read_object(node, node.name, place)}


def _read_object(node: Node, type_: str, place: str) -> dict[str, Any]:
    table = _table(type_)
    assert table is not None  # noqa: S101  the definitions name their own types only
    resource: dict[str, Any] = {}
    for name, text in node.attributes.items():
        row = table.get(name)
        if row is None or row[1].representation != "xmlAttr":
            raise MalformedContent(
                f"{node.name} at {node.where} has an attribute {name}, which {type_} has not",
                expression=place,
            )
        resource[name] = text
    repeated: dict[str, list[Node]] = {}
    for child in node.children:
        repeated.setdefault(child.name, []).append(child)
    for name, children in repeated.items():
        row = table.get(name)
        if row is None or row[1].representation == "xmlAttr":
            raise MalformedContent(
                f"{type_} has no element {name}; it is at {children[0].where}",
                expression=f"{place}.{name}",
            )
        _, element, code = row
        if not element.many and len(children) > 1:
            raise MalformedContent(
                f"{name} is there {len(children)} times, the second at {children[1].where}; "
                f"{type_} has it once at most",
                expression=f"{place}.{name}",
            )
        _read(resource, name, element, code, children, f"{place}.{name}")
    return resource


def _read(
    into: dict[str, Any], name: str, element: Element, code: str, children: list[Node], place: str
) -> None:
    places = [f"{place}[{i}]" if element.many else place for i in range(len(children))]
    rows = list(zip(children, places, strict=True))
    if _is_primitive(code) and code != "xhtml":
        pairs = [_read_primitive(child, code, at) for child, at in rows]
        values, extras = [value for value, _ in pairs], [extra for _, extra in pairs]
        if any(value is not None for value in values):
            into[name] = values if element.many else values[0]
        if any(extras):
            into[f"_{name}"] = extras if element.many else extras[0]
        return
    found: list[Any] = []
    for child, at in rows:
        if code == "Resource":
            if len(child.children) != 1 or child.attributes:
                raise MalformedContent(
                    f"{name} at {child.where} must hold one resource and nothing else",
                    expression=at,
                )
            found.append(_read_resource(child.children[0], at))
        elif code == "xhtml":
            if not child.div:
                raise MalformedContent(
                    f"The div at {child.where} is not of the XHTML namespace", expression=at
                )
            found.append(narrative.clean(child.div))
        else:
            if child.div:
                raise MalformedContent(f"XHTML at {child.where} is out of place", expression=at)
            found.append(_read_object(child, element.content or code, at))
    into[name] = found if element.many else found[0]


def _read_primitive(node: Node, code: str, place: str) -> tuple[Any, dict[str, Any] | None]:
    text = node.attributes.pop("value", None)
    extra = _read_object(node, "Element", place) or None
    if text is None and extra is None:
        raise MalformedContent(
            f"{node.name} at {node.where} has neither a value nor an extension", expression=place
        )
    if text is None:
        return None, extra
    try:
        return _value(text, code), extra
    except ValueError as error:
        raise MalformedContent(f"{node.name} at {node.where}: {error}", expression=place) from None


def _value(text: str, code: str) -> Any:
    if code == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is no boolean; use true or false")
        return text == "true"
    if code in _INTEGERS:
        if not _INTEGER.fullmatch(text) or len(text) > codec.MAX_NUMBER:
            raise ValueError(f"{text[:40]!r} is no {code}")
        return int(text)
    if code == "decimal":
        if _INTEGER.fullmatch(text) and len(text) <= codec.MAX_NUMBER:
            return int(text)
        if not _DECIMAL.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no decimal")
        return codec.number(text)
    return text
