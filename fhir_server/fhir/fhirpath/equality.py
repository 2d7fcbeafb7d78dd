"""Equality (`=`), equivalence (`~`) and order of items and collections.

https://hl7.org/fhirpath/N1/#equality
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath import quantity, temporal
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.quantity import Quantity
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.temporal import Temporal
from fhir_server.fhir.fhirpath.values import system, system_name


def equal(left: list[Any], right: list[Any]) -> bool | None:
    """Whether both hold the same in the same order; None where one is empty or it is open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = equal_items(one, other)
        if same is False:
            return False
        if same is None:
            answer = None
    return answer


def equal_items(one: Any, other: Any) -> bool | None:
    """`=` of two single items; None where precision, timezone or unit leave it open."""
    a, b = system(one), system(other)
    if _number(a) and _number(b):
        return bool(a == b)
    if type(a) is Temporal and type(b) is Temporal:
        if (a.kind == "Time") != (b.kind == "Time"):
            return False
        order = temporal.compare(a, b)
        return None if order is None else order == 0
    a, b = _as_quantities(a, b)
    if type(a) is Quantity and type(b) is Quantity:
        order = quantity.compare(a, b)
        return None if order is None else order == 0
    if type(a) is Node and type(b) is Node:
        return bool(a.value == b.value)
    if a is None or b is None:
        return a is b and one.extra == other.extra
    return type(a) is type(b) and bool(a == b)


def key(item: Any) -> Hashable:
    """The same for two items of which `=` is true, and different otherwise."""
    value = system(item)
    if _number(value):
        return "number", Decimal(value)
    if type(value) is Temporal:
        return "temporal", value.key
    if type(value) is Quantity:
        found = value.key
        return ("number", found[0]) if found[1] == "1" else ("quantity", found)
    if type(value) is Node:
        return "node", _frozen(value.value)
    if value is None:
        return "extension", _frozen(item.extra)
    return type(value).__name__, value


def distinct(items: list[Any]) -> list[Any]:
    """The items without those that are equal to an earlier one."""
    if len(items) < 2:
        return items
    found: dict[Hashable, Any] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())


def equivalent(left: list[Any], right: list[Any]) -> bool:
    """Whether both hold the same in any order; two empty ones do."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        for place, other in enumerate(rest):
            if equivalent_items(one, other):
                del rest[place]
                break
        else:
            return False
    return True


def equivalent_items(one: Any, other: Any) -> bool:
    """`~` of two items: numbers to the lesser precision, text without case or kind of blank."""
    a, b = system(one), system(other)
    if _number(a) and _number(b):
        return quantity.equivalent_numbers(Decimal(a), Decimal(b))
    if isinstance(a, str) and isinstance(b, str):
        return a == b or _folded(a) == _folded(b)
    if type(a) is Temporal and type(b) is Temporal:
        return (a.kind == "Time") == (b.kind == "Time") and temporal.compare(a, b) == 0
    a, b = _as_quantities(a, b)
    if type(a) is Quantity and type(b) is Quantity:
        return quantity.equivalent(a, b)
    if type(a) is Node and type(b) is Node:
        if a.shape.fhir == "Coding" == b.shape.fhir:
            return _coding(a.value) == _coding(b.value)
        return _alike(a.value, b.value)
    if a is None or b is None:
        return a is b
    return type(a) is type(b) and bool(a == b)


def compare(one: Any, other: Any) -> int | None:
    """-1, 0 or 1; None where it is open. ExecutionFault where the types have no common order."""
    a, b = system(one), system(other)
    if a is None or b is None:
        return None
    if (_number(a) and _number(b)) or (isinstance(a, str) and isinstance(b, str)):
        return int(a > b) - int(a < b)
    if type(a) is Temporal and type(b) is Temporal and (a.kind == "Time") == (b.kind == "Time"):
        return temporal.compare(a, b)
    a, b = _as_quantities(a, b)
    if type(a) is Quantity and type(b) is Quantity:
        return quantity.compare(a, b)
    if _measures(a) and _measures(b):  # one has a comparator or no value
        return None
    raise ExecutionFault(f"{named(one)} and {named(other)} have no order between them")


def named(item: Any) -> str:
    """The type of an item, for messages."""
    return item.shape.fhir if type(item) is Node else system_name(item)


def _number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _measures(value: Any) -> bool:
    return type(value) is Quantity or (type(value) is Node and value.shape.quantity)


def _as_quantities(a: Any, b: Any) -> tuple[Any, Any]:
    if type(a) is Quantity and _number(b):
        return a, Quantity(Decimal(b))
    if type(b) is Quantity and _number(a):
        return Quantity(Decimal(a)), b
    return a, b


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return frozenset((name, _frozen(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    if isinstance(value, Decimal):
        return Decimal(value)
    return value  # type: ignore[no-any-return]


def _folded(text: str) -> str:
    """Without case, every white space a blank (runs of them are not made one)."""
    return re.sub(r"\s", " ", text.casefold())


def _coding(value: Any) -> tuple[Any, Any]:
    return (value.get("system"), value.get("code")) if isinstance(value, dict) else (None, value)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        names = {*a, *b} - {"id"}
        return all(_alike(a.get(name), b.get(name)) for name in names)
    if isinstance(a, list) and isinstance(b, list):
        rest = list(b)
        for one in a:
            match = next((i for i, other in enumerate(rest) if _alike(one, other)), None)
            if match is None:
                return False
            del rest[match]
        return not rest
    if isinstance(a, str) and isinstance(b, str):
        return _folded(a) == _folded(b)
    return bool(a == b)
