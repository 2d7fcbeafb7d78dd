"""toInteger, convertsToInteger and the like (https://hl7.org/fhirpath/N1/#conversion)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.operators import wrap
from fhir_server.fhir.fhirpath.quantity import CALENDAR, Quantity
from fhir_server.fhir.fhirpath.scope import Items, Scope, single, text
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.temporal import Temporal, parse_temporal

_TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE = frozenset(("false", "f", "no", "n", "0", "0.0"))
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_QUANTITY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)\s*(?:'([^']+)'|([a-zA-Z]+))?")


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return None


def _integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) < 12:
        number = int(value)
        return number if -(2**31) <= number < 2**31 else None
    return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def _string(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if -30 < value.adjusted() < 30 else str(value)
    if isinstance(value, int | Temporal | Quantity):
        return str(value)
    return None


def _temporal(kind: str) -> Callable[[Any], Temporal | None]:
    def convert(value: Any) -> Temporal | None:
        if isinstance(value, Temporal):
            if value.kind == kind:
                return value
            if value.kind == "Time" or kind == "Time":
                return None
            parts = value.parts[:3] if kind == "Date" else value.parts
            offset = value.offset if kind == "DateTime" else None
            return Temporal(kind, parts, offset, value.digits if kind == "DateTime" else 0)
        if not isinstance(value, str):
            return None
        found = parse_temporal(value, kind)
        if found is None and kind == "Date":
            longer = parse_temporal(value, "DateTime")
            return convert(longer) if longer else None
        return found

    return convert


def _quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value))
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    number, code, word = match.groups()
    if word is not None:
        return Quantity(Decimal(number), CALENDAR[word], True) if word in CALENDAR else None
    return Quantity(Decimal(number), code or "1")


def _to(name: str, convert: Callable[[Any], Any]) -> Callable[[Scope, Items], Items]:
    def function(scope: Scope, items: Items) -> Items:
        value = single(items, f"to{name}()")
        return [] if value is None or type(value) is Node else wrap(convert(value))

    return function


def _converts(name: str, convert: Callable[[Any], Any]) -> Callable[[Scope, Items], Items]:
    def function(scope: Scope, items: Items) -> Items:
        value = single(items, f"convertsTo{name}()")
        return [] if value is None else [convert(value) is not None]

    return function


def _in_unit(scope: Scope, items: Items, unit: Items = ()) -> Items:  # type: ignore[assignment]
    value = single(items, "toQuantity()")
    found = None if value is None else _quantity(value)
    wish = text(list(unit), "toQuantity()")
    if found is None or wish is None:
        return wrap(found)
    calendar = wish in CALENDAR
    target = Quantity(Decimal(1), CALENDAR.get(wish, wish), calendar)
    value = found.to(target)
    return [] if value is None else [Quantity(value, target.unit, calendar)]


def _converts_unit(scope: Scope, items: Items, unit: Items = ()) -> Items:  # type: ignore[assignment]
    return [bool(_in_unit(scope, items, unit))] if items else []


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": _string,
    "Date": _temporal("Date"),
    "DateTime": _temporal("DateTime"),
    "Time": _temporal("Time"),
}

TABLE: dict[str, Function] = {
    "toQuantity": Function(_in_unit, 0, 1, ("System.Quantity",)),
    "convertsToQuantity": Function(_converts_unit, 0, 1, ("System.Boolean",)),
}
for _name, _convert in _CONVERSIONS.items():
    TABLE[f"to{_name}"] = Function(_to(_name, _convert), returns=(f"System.{_name}",))
    TABLE[f"convertsTo{_name}"] = Function(_converts(_name, _convert), returns=("System.Boolean",))
