"""Plain paths as direct walks over JSON properties, without scopes, nodes or closures per item.

A search parameter's expression is mostly a path, perhaps with `as`, `ofType`, `where(resolve() is
X)` or `where(a = 'b')`, or a union of such. For a known type that is a handful of property names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from fhir_server.fhir.fhirpath.fhir_functions import reference_type
from fhir_server.fhir.fhirpath.shapes import Node, Shape, shape
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Literal,
    Member,
    TypeTest,
)
from fhir_server.fhir.fhirpath.typetests import type_name


@dataclass(frozen=True, slots=True)
class Walk:
    """Follow `names` from the resource; the last property holds values of `type`.

    `tests` are made after so many names: (count, property, value) keeps objects whose property has
    the value. `target` keeps references to that resource type alone; "" keeps all.
    """

    names: tuple[str, ...]
    type: str
    primitive: bool = False
    tests: tuple[tuple[int, str, Any], ...] = ()
    target: str = ""


def plan(tree: Expression, type_: str) -> tuple[Walk, ...] | None:
    """The walks of an expression on a type; None where it is no union of plain paths.

    A path that begins with another type gives no walk, as it finds nothing.
    """
    if shape(type_).dynamic or not shape(type_).known:
        return None
    if isinstance(tree, Binary) and tree.operator == "|":
        left, right = plan(tree.left, type_), plan(tree.right, type_)
        if left is None or right is None:
            return None
        # the same path twice would find the same values twice, which a union must not
        return None if {w.names for w in left} & {w.names for w in right} else left + right
    ways = _ways(tree, type_)
    return None if ways is None else tuple(ways)


def is_path(tree: Expression) -> bool:
    """Whether the expression is names and dots alone."""
    while isinstance(tree, Member):
        if tree.source is None:
            return True
        tree = tree.source
    return False


def _ways(tree: Expression, type_: str) -> list[Walk] | None:
    match tree:
        case Member(source=None, name=name) if name[:1].isupper() and shape(name).known:
            return [Walk((), type_)] if name in shape(type_).ancestors else []
        case Member(source=None, name=name):
            return _step([Walk((), type_)], name)
        case Member(source=source, name=name):
            ways = _ways(source, type_)  # type: ignore[arg-type]
            return None if ways is None else _step(ways, name)
        case TypeTest(operator="as", operand=operand, type=wanted):
            return _only(_ways(operand, type_), wanted.name, wanted.namespace)
        case Call(name="as" | "ofType", arguments=(argument,), source=source) if source:
            wanted = type_name(argument)
            return _only(_ways(source, type_), wanted.name, wanted.namespace)
        case Call(name="where", arguments=(argument,), source=source) if source:
            return _where(_ways(source, type_), argument)
    return None


def _step(ways: list[Walk], name: str) -> list[Walk] | None:
    found: list[Walk] = []
    for way in ways:
        form = shape(way.type)
        if form.primitive or form.dynamic or way.target:
            return None
        for step in form.steps.get(name, ()):
            if step.shape.dynamic:
                return None
            names = (*way.names, step.name)
            found.append(Walk(names, step.shape.name, step.shape.primitive, way.tests))
    return found


def _only(ways: list[Walk] | None, name: str, namespace: str) -> list[Walk] | None:
    if ways is None or namespace == "System" or not shape(name).known:
        return None
    return [way for way in ways if _fits(shape(way.type), name)]


def _fits(form: Shape, name: str) -> bool:
    return form.name == name if form.primitive else name in form.ancestors


def _where(ways: list[Walk] | None, criterion: Expression) -> list[Walk] | None:
    if ways is None or any(way.target or way.primitive for way in ways):
        return None
    match criterion:
        case TypeTest(operator="is", operand=Call(source=None, name="resolve"), type=wanted):
            return [
                Walk(way.names, way.type, False, way.tests, wanted.name)
                for way in ways
                if way.type == "Reference"
            ]
        case Binary("=", Member(source=None, name=name), Literal(value=value)) if isinstance(
            value, str
        ):
            found = []
            for way in ways:
                steps = shape(way.type).steps.get(name, ())
                if len(steps) != 1 or steps[0].shape.name not in ("code", "uri", "string"):
                    return None
                tests = (*way.tests, (len(way.names), name, value))
                found.append(Walk(way.names, way.type, way.primitive, tests))
            return found
    return None


Found = tuple[str, Any, Any]
"""Type name (a backbone by its path), JSON value, and of a primitive its sibling or None."""
Follow = Callable[[Any, Any, list[Found]], None]
"""Takes a value, the resource that it lies in, and the list to put findings in."""


def follower(walk: Walk) -> Follow:
    """The walk as a function: one closure for each property, called with each value on the way."""
    kind, last = walk.type, len(walk.names)
    names = walk.names
    run: Follow
    if walk.primitive:
        last -= 1
        run = _primitive(kind, names[-1])
    elif walk.target:
        run = _reference(kind, walk.target)
    else:

        def run(value: Any, resource: Any, found: list[Found]) -> None:
            found.append((kind, value, None))

    for place in range(last, 0, -1):
        for count, key, wanted in walk.tests:
            if count == place:
                run = _tested(key, wanted, run)
        run = _property(names[place - 1], run)
    return run


def _property(name: str, then: Follow) -> Follow:
    def step(value: Any, resource: Any, found: list[Found]) -> None:
        child = value.get(name)
        if child is None:
            return
        if type(child) is dict:
            then(child, resource, found)
        elif type(child) is list:
            for one in child:
                if type(one) is dict:
                    then(one, resource, found)

    return step


def _tested(key: str, wanted: str, then: Follow) -> Follow:
    def test(value: Any, resource: Any, found: list[Found]) -> None:
        if value.get(key) == wanted:
            then(value, resource, found)

    return test


def _reference(kind: str, target: str) -> Follow:
    form = shape("Reference")

    def reference(value: Any, resource: Any, found: list[Found]) -> None:
        told = reference_type(Node(form, value, None, resource))
        if told is not None and target in told.ancestors:
            found.append((kind, value, None))

    return reference


def _primitive(kind: str, name: str) -> Follow:
    sibling = "_" + name

    def primitive(value: Any, resource: Any, found: list[Found]) -> None:
        child, extra = value.get(name), value.get(sibling)
        if child is None and extra is None:
            return
        if type(child) is list or type(extra) is list:
            values = child if type(child) is list else ()
            extras = extra if type(extra) is list else ()
            for one, more in zip_longest(values, extras):
                if one is not None or more is not None:
                    found.append((kind, one, more))
        else:
            found.append((kind, child, extra))

    return primitive
