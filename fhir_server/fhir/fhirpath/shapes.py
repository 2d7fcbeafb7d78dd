"""What FHIRPath knows of R4's types: each type as a `Shape`, and the nodes of a resource.

A shape says which JSON properties an element's name stands for and which shape is found there, so
that a step is one dictionary look-up and never a guess from the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import zip_longest
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.reading import READ, as_decimal, as_is


class Step:
    """One JSON property that an element's name may be found under."""

    __slots__ = ("name", "shape", "sibling")

    def __init__(self, name: str, shape: Shape) -> None:
        self.name = name
        self.sibling = "_" + name
        self.shape = shape


class Shape:
    """A type of FHIR, a backbone (by path), or `open` where nothing is known.

    `name` is the key in the definitions, `fhir` the name that `type()` tells.
    """

    def __init__(self, name: str) -> None:
        known = definitions.load().types.get(name)
        self.name = name
        self.known = known is not None
        kind = known.kind if known else ""
        self.primitive = kind == "primitive-type"
        self.resource = kind == "resource"
        self.abstract = name in ("Resource", "DomainResource", "Element", "BackboneElement", "")
        self.fhir = (
            ("BackboneElement" if known and known.base != "Element" else "Element")
            if (kind == "backbone")
            else name
        )
        self.dynamic = name in ("Resource", "DomainResource", "")
        self.read: Callable[[Any], Any] = READ.get(name, as_is)
        self.quantity = definitions.load().is_a(name, "Quantity")

    @cached_property
    def ancestors(self) -> frozenset[str]:
        """Names of the type and all that it derives from."""
        table, found, name = definitions.load().types, [], self.name
        while name:
            found.append(name)
            known = table.get(name)
            name = known.base if known else ""
        return frozenset((*found, self.fhir))

    @cached_property
    def steps(self) -> dict[str, tuple[Step, ...]]:
        """Element name -> the JSON properties that may hold it."""
        known = definitions.load().types.get(self.name)
        if known is None:
            return {}
        found: dict[str, tuple[Step, ...]] = {}
        for element in known.elements.values():
            if self.primitive and element.name == "value":
                continue
            found[element.name] = tuple(
                Step(
                    element.name + code[:1].upper() + code[1:] if element.choice else element.name,
                    shape(element.content or code),
                )
                for code in element.types
            )
        return found

    def of(self, value: Any) -> Shape:
        """The shape of a value that was found where this one is expected."""
        if self.dynamic and isinstance(value, dict):
            kind = value.get("resourceType")
            return shape(kind) if isinstance(kind, str) else shape("")
        return self


@cache
def shape(name: str) -> Shape:
    """The shape of a type or backbone; an unknown name gives a shape without elements."""
    return Shape(name)


class Node:
    """An element of a resource: its shape, its JSON value, the sibling of a primitive (`_name`).

    `value` is None where only the sibling is there; `owner` is the resource that it stands in.
    """

    __slots__ = ("extra", "owner", "shape", "value")

    def __init__(self, shape: Shape, value: Any, extra: Any, owner: Any) -> None:
        self.shape = shape
        self.value = value
        self.extra = extra
        self.owner = owner


def root(resource: Any, type_: str | None = None) -> Node:
    """The node of a resource, or of an element whose type or backbone is given."""
    if type_ is None:
        found = shape("").of(resource)
    else:
        found = shape(type_).of(resource)
    return Node(found, resource, None, resource)


def walk(node: Node, name: str, out: list[Any]) -> None:
    """Puts the children called `name` behind what is in `out`."""
    form = node.shape
    steps = form.steps.get(name)
    if steps is None:
        if not form.known:
            _walk_open(node, name, out)
        elif name == "value" and form.primitive and node.value is not None:
            out.append(form.read(node.value))
        return
    value = node.extra if form.primitive else node.value
    if not isinstance(value, dict):
        return
    owner = node.owner
    for step in steps:
        found = value.get(step.name)
        child = step.shape
        if child.primitive:
            extra = value.get(step.sibling)
            if found is None and extra is None:
                continue
            if isinstance(found, list) or isinstance(extra, list):
                values = found if isinstance(found, list) else []
                extras = extra if isinstance(extra, list) else []
                for one, more in zip_longest(values, extras):
                    if one is not None or more is not None:
                        out.append(Node(child, one, more, owner))
            else:
                out.append(Node(child, found, extra, owner))
        elif found is not None:
            for one in found if isinstance(found, list) else (found,):
                if child.dynamic:
                    inner = owner if name == "contained" else one
                    out.append(Node(child.of(one), one, None, inner))
                elif one is not None:
                    out.append(Node(child, one, None, owner))


def children(node: Node) -> Iterator[Any]:
    """All children in the order of the definition."""
    if not node.shape.known:
        if isinstance(node.value, dict):
            for name in node.value:
                found: list[Any] = []
                if not name.startswith("_"):
                    walk(node, name, found)
                yield from found
        return
    value = node.extra if node.shape.primitive else node.value
    if not isinstance(value, dict):
        return
    for name in node.shape.steps:
        out: list[Any] = []
        walk(node, name, out)
        yield from out


def _walk_open(node: Node, name: str, out: list[Any]) -> None:
    """Steps where no type is known: properties as they are, choices by their prefix."""
    if not isinstance(node.value, dict):
        return
    found = node.value.get(name)
    form = shape("")
    if found is None:
        for key, value in node.value.items():
            rest = key[len(name) :]
            if key.startswith(name) and rest[:1].isupper():
                code = rest if shape(rest).known else rest[:1].lower() + rest[1:]
                if shape(code).known:
                    found, form = value, shape(code)
                    break
    for one in found if isinstance(found, list) else (found,):
        if isinstance(one, dict) or (form.known and one is not None):
            out.append(Node(form.of(one), one, None, node.owner))
        elif one is not None:
            out.append(as_decimal(one) if isinstance(one, float) else one)
