"""Where in a resource's JSON a FHIRPath leads, so that something can be changed there.

FHIRPath gives elements, not the places that they stand in. So the path is cut before its last
element's name: the engine finds the parents, and the children of that name are the places, of which
the rest of the path (an index, `where(...)`, `first()`) may keep some.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Element, load
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.syntax import Call, Expression, Indexer, Literal, Member, TypeTest

_KEEPING = frozenset({"where", "first", "last", "tail", "skip", "take", "single", "ofType", "as"})

_MARKUP = re.compile(r"\.div\s*$")

Pair = tuple[Any, Any]
"""A JSON value, and what stands beside it under `_name` (of primitives only)."""


class Slots:
    """The values of one element in one object: `holder` is the object, `type_` what it is of.

    A choice has its values under the name with the type that is there, or under `name` itself
    while nothing is.
    """

    def __init__(self, holder: dict[str, Any], type_: str, name: str) -> None:
        self.holder = holder
        self.type = type_
        self.element, self.keys = _element(type_, name)
        self.name = name

    @property
    def key(self) -> str:
        """The JSON property that holds the values now, or the first that could."""
        present = (k for k in self.keys if k in self.holder or f"_{k}" in self.holder)
        return next(present, self.keys[0])

    def read(self) -> list[Pair]:
        """The values in order, as pairs; a list even where the element is single."""
        value, extra = self.holder.get(self.key), self.holder.get(f"_{self.key}")
        if not isinstance(value, list) and not isinstance(extra, list):
            return [] if value is None and extra is None else [(value, extra)]
        values, extras = value or [], extra or []
        return [
            (
                values[i] if i < len(values) else None,
                extras[i] if i < len(extras) else None,
            )
            for i in range(max(len(values), len(extras)))
        ]

    def write(self, pairs: Sequence[Pair], key: str | None = None) -> None:
        """Puts other values in place of all; `key` where a choice takes another type."""
        old = self.key
        key = key or old
        many = self.element.many
        for sibling, part in ((key, 0), (f"_{key}", 1)):
            found = [pair[part] for pair in pairs]
            if any(item is not None for item in found):
                self.holder[sibling] = found if many else found[0]
            else:
                self.holder.pop(sibling, None)
        if key != old:
            self.holder.pop(old, None)
            self.holder.pop(f"_{old}", None)


@dataclass(frozen=True, slots=True)
class Place:
    """One value of an element: the one at `index` of `slots`; no slots: the resource itself."""

    slots: Slots | None
    index: int


def locate(resource: dict[str, Any], path: str) -> list[Place]:
    """The places that a path leads to, in order; none where there is nothing.

    Raises FhirPathError for a path that is no FHIRPath, Unprocessable for one that leads to
    computed values instead of elements.
    """
    path = _quoted(path)
    member, kept = _last_member(path)
    if member.source is None and member.name == resource["resourceType"]:
        return [Place(None, 0)]
    places = [
        Place(slots, index)
        for slots in _slots(resource, path, member)
        for index in range(len(slots.read()))
    ]
    if kept is None:
        return places
    if isinstance(kept, Indexer) and kept.source is member and isinstance(kept.index, Literal):
        index = kept.index.value
        return places[index : index + 1] if isinstance(index, int) and index >= 0 else []
    return _kept(places, fhirpath.compile(path, strict=True).items(resource), path)


def locate_list(resource: dict[str, Any], path: str) -> Slots:
    """The one list that a path names: an element without index or condition, of one parent."""
    member, kept = _last_member(path)
    if kept is not None:
        raise Unprocessable(f"{path}: name the list itself, without an index or a condition")
    if member.source is None and member.name == resource["resourceType"]:
        raise Unprocessable(f"{path} is the resource, not a list")
    found = _slots(resource, path, member)
    if len(found) != 1:
        raise Unprocessable(f"{path} leads to {len(found)} lists; exactly one is needed")
    if not found[0].element.many:
        raise Unprocessable(f"{path} is not a list; {found[0].type} has it once at most")
    return found[0]


def children(place: Place, resource: dict[str, Any], name: str) -> Slots:
    """The values of the element `name` of what stands at a place, to be read and written."""
    if place.slots is None:
        return Slots(resource, resource["resourceType"], name)
    pairs = place.slots.read()
    value, extra = pairs[place.index]
    type_ = _type_at(place.slots, value)
    if isinstance(value, dict):
        return Slots(value, type_, name)
    if extra is None:
        extra = {}
        pairs[place.index] = (value, extra)
        place.slots.write(pairs)
    return Slots(extra, "Element", name)


def _quoted(path: str) -> str:
    """The path with the last name `div` in the backquotes that FHIRPath's grammar wants.

    There div is an operator, but the published patches write `Patient.text.div`.
    """
    return _MARKUP.sub(".`div`", path)


def _last_member(path: str) -> tuple[Member, Expression | None]:
    """The last element's name in the path, and the condition behind it, if there is any."""
    tree = parse(path)
    node: Expression | None = tree
    while node is not None and not isinstance(node, Member):
        node = _before(node)
    if node is None:
        raise Unprocessable(f"{path} does not end in an element that can be changed")
    return node, None if node is tree else tree


def _before(node: Expression) -> Expression | None:
    """What a condition chooses from; None where the expression is no condition."""
    if isinstance(node, Indexer):
        return node.source
    if isinstance(node, Call) and node.name in _KEEPING:
        return node.source
    if isinstance(node, TypeTest) and node.operator == "as":
        return node.operand
    return None


def _slots(resource: dict[str, Any], path: str, member: Member) -> list[Slots]:
    type_ = resource["resourceType"]
    if member.source is None:
        return [Slots(resource, type_, member.name)]
    before = path[: member.position].rstrip().removesuffix(".")
    if before.count("(") != before.count(")"):
        raise Unprocessable(f"{path}: write the path without parentheses around elements")
    found = []
    for node in fhirpath.compile(before, strict=True).items(resource):
        if not isinstance(node, fhirpath.Node):
            raise Unprocessable(f"{before} gives computed values, not elements")
        holder = node.extra if node.shape.primitive else node.value
        if isinstance(holder, dict):
            name = "Element" if node.shape.primitive else node.shape.name
            found.append(Slots(holder, name, member.name))
    return found


def _kept(places: list[Place], nodes: list[Any], path: str) -> list[Place]:
    """The places of these nodes: objects are known by identity, primitives by being equal."""
    found = []
    for place in places:
        assert place.slots is not None  # noqa: S101  only the root has none
        value, extra = place.slots.read()[place.index]
        for node in nodes:
            if isinstance(value, dict):
                same = isinstance(node, fhirpath.Node) and node.value is value
            else:
                same = isinstance(node, fhirpath.Node) and (node.value, node.extra) == (
                    value,
                    extra,
                )
            if same:
                found.append(place)
                break
    if len(found) != len(nodes):
        raise Unprocessable(f"{path}: several elements are equal there; name one by its index")
    return found


def _element(type_: str, name: str) -> tuple[Element, list[str]]:
    definition = load().types[type_]
    element = definition.elements.get(name)
    if element is not None:
        return element, [k for k, (e, _) in definition.json.items() if e.name == name]
    if name in definition.json:
        return definition.json[name][0], [name]
    near = get_close_matches(name, definition.elements, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Unprocessable(f"{type_} has no element {name}{hint}")


def _type_at(slots: Slots, value: Any) -> str:
    """The type of an object in these slots: its own for a resource, else by the definitions."""
    if isinstance(value, dict) and "resourceType" in value:
        return str(value["resourceType"])
    code = load().types[slots.type].json[slots.key][1]
    return slots.element.content or code
