"""Functions on collections: existence, subsetting, combining, tree.

https://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.fhirpath.equality import distinct, key
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.function import SAME, Function
from fhir_server.fhir.fhirpath.scope import Items, Scope, boolean, integer, truth
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.shapes import children as children_of
from fhir_server.fhir.fhirpath.values import TypeInfo

_BOOLEAN = ("System.Boolean",)
_MOST = 1_000_000  # items that one function may give


def _truths(items: Items, name: str) -> list[bool | None]:
    return [boolean([item], f"{name}()") for item in items]


def _single(scope: Scope, items: Items) -> Items:
    if len(items) > 1:
        raise ExecutionFault(f"single() found {len(items)} items")
    return items


def _skip(scope: Scope, items: Items, count: Items) -> Items:
    number = integer(count, "skip()")
    return [] if number is None else items[max(0, number) :]


def _take(scope: Scope, items: Items, count: Items) -> Items:
    number = integer(count, "take()")
    return [] if number is None else items[: max(0, number)]


def _within(items: Items, other: Items) -> bool:
    keys = {key(item) for item in other}
    return all(key(item) in keys for item in items)


def _intersect(scope: Scope, items: Items, other: Items) -> Items:
    keys = {key(item) for item in other}
    return distinct([item for item in items if key(item) in keys])


def _exclude(scope: Scope, items: Items, other: Items) -> Items:
    keys = {key(item) for item in other}
    return [item for item in items if key(item) not in keys]


def _children(scope: Scope, items: Items) -> Items:
    return [child for item in items for child in _of(item)]


def _of(item: Any) -> Items:
    if type(item) is Node:
        return list(children_of(item))
    return [item.namespace, item.name] if type(item) is TypeInfo else []


def _descendants(scope: Scope, items: Items) -> Items:
    found: Items = []
    level = items
    while level:
        level = [child for item in level for child in _of(item)]
        found += level
        if len(found) > _MOST:
            raise ExecutionFault(f"descendants() found more than {_MOST} items")
    return found


def _not(scope: Scope, items: Items) -> Items:
    if len(items) > 1:
        raise ExecutionFault("not() needs one boolean")
    value = truth(items)
    return [] if value is None else [not value]


def _combine(scope: Scope, items: Items, other: Items, order: Items | None = None) -> Items:
    if len(items) + len(other) > _MOST:
        raise ExecutionFault(f"combine() found more than {_MOST} items")
    return [*items, *other]


def _coalesce(scope: Scope, items: Items, *choices: Items) -> Items:
    return next((choice for choice in choices if choice), [])


TABLE: dict[str, Function] = {
    "empty": Function(lambda s, i: [not i], returns=_BOOLEAN),
    "not": Function(_not, returns=_BOOLEAN),
    "allTrue": Function(
        lambda s, i: [all(v is True for v in _truths(i, "allTrue"))], returns=_BOOLEAN
    ),
    "anyTrue": Function(
        lambda s, i: [any(v is True for v in _truths(i, "anyTrue"))], returns=_BOOLEAN
    ),
    "allFalse": Function(
        lambda s, i: [all(v is False for v in _truths(i, "allFalse"))], returns=_BOOLEAN
    ),
    "anyFalse": Function(
        lambda s, i: [any(v is False for v in _truths(i, "anyFalse"))], returns=_BOOLEAN
    ),
    "subsetOf": Function(lambda s, i, o: [_within(i, o)], 1, 1, _BOOLEAN),
    "supersetOf": Function(lambda s, i, o: [_within(o, i)], 1, 1, _BOOLEAN),
    "count": Function(lambda s, i: [len(i)], returns=("System.Integer",)),
    "distinct": Function(lambda s, i: distinct(i), returns=SAME),
    "isDistinct": Function(lambda s, i: [len(distinct(i)) == len(i)], returns=_BOOLEAN),
    "single": Function(_single, returns=SAME),
    "first": Function(lambda s, i: i[:1], returns=SAME),
    "last": Function(lambda s, i: i[-1:], returns=SAME),
    "tail": Function(lambda s, i: i[1:], returns=SAME),
    "skip": Function(_skip, 1, 1, SAME),
    "take": Function(_take, 1, 1, SAME),
    "intersect": Function(_intersect, 1, 1, SAME),
    "exclude": Function(_exclude, 1, 1, SAME),
    "union": Function(lambda s, i, o: distinct([*i, *o]), 1, 1),
    "combine": Function(_combine, 1, 2),
    "coalesce": Function(_coalesce, 1, 99),
    "children": Function(_children),
    "descendants": Function(_descendants),
}
