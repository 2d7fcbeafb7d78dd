"""FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html): add, insert, delete, replace, move."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from fhir_server.errors import FhirError, MalformedContent, TooCostly, Unprocessable
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.definitions import load
from fhir_server.fhir.patch.place import Pair, Place, Slots, children, locate, locate_list


def fhirpath_patch(resource: Resource, parameters: Resource) -> Resource:
    """The resource with every operation of the Parameters done; the one given stays as it was.

    What loses its last content goes too, since FHIR has no empty elements. Raises
    MalformedContent for Parameters that are no patch, Unprocessable for an operation that cannot
    be done; the message names the operation.
    """
    steps = [
        _Step(parameter, f"Parameters.parameter[{index}]")
        for index, parameter in enumerate(parameters.get("parameter") or [])
    ]
    changed = copy.deepcopy(resource)
    for step in steps:
        try:
            _OPERATIONS[step.type](changed, step)
        except MalformedContent:
            raise
        except FhirError as error:
            kind = TooCostly if isinstance(error, TooCostly) else Unprocessable
            raise kind(
                f"Cannot {step.type}: {error.issues[0].diagnostics}", expression=step.place
            ) from None
    return {name: value for name, value in _pruned(changed).items() if value not in ({}, [])}


class _Step:
    """One operation, its parts by name."""

    def __init__(self, parameter: Any, place: str) -> None:
        self.place = place
        self.parts: dict[str, dict[str, Any]] = {}
        if not isinstance(parameter, dict) or parameter.get("name") != "operation":
            raise self.fault("is not named operation; a FHIRPath Patch has nothing else")
        for part in parameter.get("part") or []:
            name = part.get("name") if isinstance(part, dict) else None
            if not isinstance(name, str) or name in self.parts:
                raise self.fault("has a part without a name, or two of one name")
            self.parts[name] = part
        self.type = self.text("type", "valueCode")
        if self.type not in _OPERATIONS:
            raise self.fault(f"has the type {self.type!r}; use {', '.join(_OPERATIONS)}")
        self.path = self.text("path", "valueString")
        known = {"type", "path", *_PARTS[self.type]}
        for name in self.parts.keys() - known:
            raise self.fault(f"has a part {name}, which {self.type} has not")
        for name in known - self.parts.keys():
            raise self.fault(f"({self.type}) needs a part {name}")

    def fault(self, text: str) -> MalformedContent:
        return MalformedContent(f"{self.place} {text}", expression=self.place)

    def text(self, name: str, key: str) -> str:
        """The text of a part; a code is taken for a string and the other way round."""
        part = self.parts.get(name, {})
        value = part.get(key, part.get("valueString", part.get("valueCode")))
        if not isinstance(value, str) or not value:
            raise self.fault(f"needs a part {name} with a {key}")
        return value

    def integer(self, name: str) -> int:
        value = self.parts[name].get("valueInteger")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fault(f"needs a part {name} with a valueInteger from 0")
        return value


def _add(resource: Resource, step: _Step) -> None:
    places = locate(resource, step.path)
    if not places:
        raise Unprocessable(f"no content found at {step.path} when adding")
    place = _one(places, step)
    slots = children(place, resource, step.text("name", "valueString"))
    pairs = slots.read()
    if pairs and not slots.element.many:
        raise Unprocessable(f"{slots.name} is at {step.path} already; use replace")
    pair, key = _value(step, step.parts["value"], slots)
    slots.write([*pairs, pair], key)


def _insert(resource: Resource, step: _Step) -> None:
    slots = locate_list(resource, step.path)
    pairs = slots.read()
    index = step.integer("index")
    if index > len(pairs):
        raise Unprocessable(f"{step.path} has {len(pairs)} elements; index {index} is beyond them")
    pair, key = _value(step, step.parts["value"], slots)
    slots.write([*pairs[:index], pair, *pairs[index:]], key)


def _delete(resource: Resource, step: _Step) -> None:
    places = locate(resource, step.path)
    if not places:
        return  # the specification: not an error
    place = _one(places, step)
    slots = _not_root(place)
    pairs = slots.read()
    slots.write([*pairs[: place.index], *pairs[place.index + 1 :]])


def _replace(resource: Resource, step: _Step) -> None:
    place = _one(locate(resource, step.path), step)
    slots = _not_root(place)
    pairs = slots.read()
    pair, key = _value(step, step.parts["value"], slots)
    slots.write([*pairs[: place.index], pair, *pairs[place.index + 1 :]], key)


def _move(resource: Resource, step: _Step) -> None:
    slots = locate_list(resource, step.path)
    pairs = slots.read()
    source, destination = step.integer("source"), step.integer("destination")
    for index in (source, destination):
        if index >= len(pairs):
            raise Unprocessable(
                f"{step.path} has {len(pairs)} elements; index {index} is beyond them"
            )
    pairs.insert(destination, pairs.pop(source))
    slots.write(pairs)


_OPERATIONS: dict[str, Callable[[Resource, _Step], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}
_PARTS: dict[str, tuple[str, ...]] = {
    "add": ("name", "value"),
    "insert": ("index", "value"),
    "delete": (),
    "replace": ("value",),
    "move": ("source", "destination"),
}


def _one(places: list[Place], step: _Step) -> Place:
    if len(places) != 1:
        raise Unprocessable(f"{step.path} leads to {len(places)} elements; exactly one is needed")
    return places[0]


def _not_root(place: Place) -> Slots:
    if place.slots is None:
        raise Unprocessable("the resource as a whole cannot be changed by a patch; update it")
    return place.slots


def _value(step: _Step, part: dict[str, Any], slots: Slots) -> tuple[Pair, str]:
    """The value of a part for an element, and the JSON property that it belongs under."""
    element = slots.element
    if "part" in part:
        code = element.content or element.types[0]
        return (_object(step, part["part"], code), None), slots.key
    if "resource" in part:
        return (part["resource"], None), slots.key
    for name, (parameter, code) in load().types["Parameters.parameter"].json.items():
        if parameter.name == "value" and (name in part or f"_{name}" in part):
            key = slots.key
            if element.choice and len(slots.keys) > 1:
                key = element.name + name.removeprefix("value")
                if key not in slots.keys:
                    raise Unprocessable(
                        f"{element.name} of {slots.type} cannot be {code}; "
                        f"it is one of {', '.join(element.types)}"
                    )
            return (part.get(name), part.get(f"_{name}")), key
    raise step.fault("has a value without content; give a value[x], a resource or parts")


def _object(step: _Step, parts: Any, type_: str) -> dict[str, Any]:
    """The object of a type without a name (a backbone), told part by part."""
    found: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise step.fault("has a part without a name")
        slots = Slots(found, type_, part["name"])
        pairs = slots.read()
        if pairs and not slots.element.many:
            raise Unprocessable(f"{type_} has {slots.name} once at most")
        pair, key = _value(step, part, slots)
        slots.write([*pairs, pair], key)
    return found


def _pruned(node: Any) -> Any:
    """The node without objects and arrays that became empty."""
    if isinstance(node, dict):
        pruned = {name: _pruned(child) for name, child in node.items()}
        return {name: child for name, child in pruned.items() if child not in ({}, [])}
    if isinstance(node, list):
        items = [_pruned(item) for item in node]
        kept = [item for item in items if item not in ({}, [])]
        return kept if any(item is not None for item in kept) else []
    return node
