"""Functions on numbers (https://hl7.org/fhirpath/N1/#math)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from fhir_server.fhir.fhirpath.equality import compare, named
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.operators import OPERATORS, wrap
from fhir_server.fhir.fhirpath.quantity import Quantity
from fhir_server.fhir.fhirpath.scope import Items, Scope, integer, number, single
from fhir_server.fhir.fhirpath.values import system

_DECIMAL = ("System.Decimal",)


def _on_number(name: str, act: Callable[..., Any]) -> Callable[..., Items]:
    """A function of numbers alone: empty for empty input and where there is no result."""

    def function(scope: Scope, items: Items, *arguments: Items) -> Items:
        values = [number(each, f"{name}()") for each in (items, *arguments)]
        if None in values:
            return []
        try:
            return wrap(act(*values))
        except (DecimalException, OverflowError, ZeroDivisionError):
            return []

    return function


def _abs(scope: Scope, items: Items) -> Items:
    value = single(items, "abs()")
    if isinstance(value, Quantity):
        return [Quantity(abs(value.value), value.unit, value.calendar)]
    if isinstance(value, bool) or not isinstance(value, int | Decimal | None):
        raise ExecutionFault(f"abs() needs a number, not {named(items[0])}")
    return [] if value is None else [abs(value)]


def _round(scope: Scope, items: Items, digits: Items | None = None) -> Items:
    value = single(items, "round()")
    places = integer(digits or [], "round()") or 0
    if places < 0:
        raise ExecutionFault("round() needs a precision of 0 or more")
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [Quantity(_rounded(value.value, places), value.unit, value.calendar)]
    return [_rounded(Decimal(number(items, "round()") or 0), places)]


def _rounded(value: Decimal, places: int) -> Decimal:
    try:
        return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    except DecimalException:
        return value


def _whole(name: str, rounding: str) -> Callable[[Scope, Items], Items]:
    def function(scope: Scope, items: Items) -> Items:
        value = single(items, f"{name}()")
        if isinstance(value, Quantity):
            whole = value.value.to_integral_value(rounding=rounding)
            return [Quantity(whole, value.unit, value.calendar)]
        found = number(items, f"{name}()")
        return [] if found is None else [int(Decimal(found).to_integral_value(rounding=rounding))]

    return function


def _numbers(name: str, items: Items) -> list[Any]:
    """The values of a collection; ExecutionFault where they are not all of one type."""
    found = [system(item) for item in items]
    if len({named(value) for value in found}) > 1:
        raise ExecutionFault(f"{name}() needs values of one type")
    return found


def _sum(scope: Scope, items: Items) -> Items:
    total: Items = []
    for value in _numbers("sum", items):
        total = OPERATORS["+"](total, [value]) if total else [value]
    return total


def _average(scope: Scope, items: Items) -> Items:
    values = _numbers("avg", items)
    return OPERATORS["/"](_sum(scope, values), [len(values)]) if values else []


def _least(name: str, sign: int) -> Callable[[Scope, Items], Items]:
    def function(scope: Scope, items: Items) -> Items:
        values = _numbers(name, items)
        found = values[:1]
        for value in values[1:]:
            order = compare(value, found[0])
            if order is None:
                return []
            if order == sign:
                found = [value]
        return found

    return function


def _power(value: Any, exponent: Any) -> Any:
    if isinstance(value, int) and isinstance(exponent, int) and exponent >= 0:
        if exponent * max(1, abs(value).bit_length()) > 4096:
            return None
        return Decimal(value**exponent)
    if value < 0 and exponent != int(exponent):
        return None
    return Decimal(value) ** Decimal(exponent)


def _logarithm(value: Any, base: Any) -> Decimal:
    if value <= 0 or base <= 0:
        raise ExecutionFault("log() needs numbers above 0")
    exact = Decimal(value).ln() / Decimal(base).ln()
    return round(exact, 20)


_ON_NUMBERS: dict[str, tuple[Callable[..., Any], int, tuple[str, ...] | None]] = {
    "exp": (lambda value: Decimal(value).exp(), 0, _DECIMAL),
    "ln": (lambda value: Decimal(value).ln() if value > 0 else None, 0, _DECIMAL),
    "log": (_logarithm, 1, _DECIMAL),
    "power": (_power, 1, None),
    "sqrt": (lambda value: Decimal(value).sqrt() if value >= 0 else None, 0, _DECIMAL),
}

TABLE: dict[str, Function] = {
    "abs": Function(_abs, 0, 0, None, "number"),
    "round": Function(_round, 0, 1, None, "number"),
    "ceiling": Function(_whole("ceiling", ROUND_CEILING), 0, 0, None, "number"),
    "floor": Function(_whole("floor", ROUND_FLOOR), 0, 0, None, "number"),
    "truncate": Function(_whole("truncate", ROUND_DOWN), 0, 0, None, "number"),
    "sum": Function(_sum),
    "avg": Function(_average),
    "min": Function(_least("min", -1)),
    "max": Function(_least("max", 1)),
}
for _name, (_act, _count, _returns) in _ON_NUMBERS.items():
    TABLE[_name] = Function(_on_number(_name, _act), _count, _count, _returns, "number")
