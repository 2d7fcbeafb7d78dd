"""lowBoundary, highBoundary, precision, comparable, now, today and the parts of a date.

https://hl7.org/fhirpath/#boundaries (STU)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any

from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.intervals import difference, duration
from fhir_server.fhir.fhirpath.operators import wrap
from fhir_server.fhir.fhirpath.quantity import CALENDAR, Quantity, compare
from fhir_server.fhir.fhirpath.scope import Items, Scope, integer, single, text
from fhir_server.fhir.fhirpath.temporal import Temporal, high_boundary, low_boundary

_MOST_DIGITS = 31
_DIGITS = Context(prec=100)
_DEFAULT = {"Date": 8, "DateTime": 17, "Time": 9}
_INTEGER = ("System.Integer",)


def _boundary(high: bool) -> Callable[..., Items]:
    name = "highBoundary()" if high else "lowBoundary()"

    def function(scope: Scope, items: Items, digits: Items | None = None) -> Items:
        value = single(items, name)
        wish = None if digits is None else integer(digits, name)
        if isinstance(value, Temporal):
            act = high_boundary if high else low_boundary
            return wrap(act(value, _DEFAULT[value.kind] if wish is None else wish))
        if isinstance(value, Quantity):
            found = _edge(value.value, wish, high)
            return [] if found is None else [Quantity(found, value.unit, value.calendar)]
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return wrap(_edge(Decimal(value), wish, high))
        if value is None:
            return []
        raise ExecutionFault(f"{name} needs a number, a quantity, a date or a time")

    return function


def _edge(value: Decimal, digits: int | None, high: bool) -> Decimal | None:
    """The limit of what rounds to the value, itself rounded outwards to `digits` digits."""
    places = 8 if digits is None else digits
    exponent = value.as_tuple().exponent
    if not 0 <= places <= _MOST_DIGITS or not isinstance(exponent, int):
        return None
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    limit = _DIGITS.add(value, half if high else -half)
    rounding = ROUND_CEILING if high else ROUND_FLOOR
    try:
        return limit.quantize(Decimal(1).scaleb(-places), rounding, _DIGITS)
    except InvalidOperation:  # more digits than there are
        return None


def _precision(scope: Scope, items: Items) -> Items:
    value = single(items, "precision()")
    if isinstance(value, Temporal):
        return [value.precision]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        exponent = Decimal(value).as_tuple().exponent
        return [max(0, -exponent) if isinstance(exponent, int) else 0]
    return []


def _comparable(scope: Scope, items: Items, other: Items) -> Items:
    one, two = single(items, "comparable()"), single(other, "comparable()")
    if isinstance(one, int | Decimal):
        one = Quantity(Decimal(one))
    if isinstance(two, int | Decimal):
        two = Quantity(Decimal(two))
    if not isinstance(one, Quantity) or not isinstance(two, Quantity):
        return []
    return [compare(one, two) is not None]


def _moment(scope: Scope) -> datetime:
    if scope.run.now is None:
        scope.run.now = datetime.now(UTC)
    return scope.run.now


def _now(scope: Scope, items: Items) -> Items:
    at = _moment(scope)
    micro = at.second * 1_000_000 + at.microsecond // 1000 * 1000
    return [Temporal("DateTime", (at.year, at.month, at.day, at.hour, at.minute, micro), 0, 3)]


def _today(scope: Scope, items: Items) -> Items:
    at = _moment(scope)
    return [Temporal("Date", (at.year, at.month, at.day))]


def _time_of_day(scope: Scope, items: Items) -> Items:
    at = _moment(scope)
    micro = at.second * 1_000_000 + at.microsecond // 1000 * 1000
    return [Temporal("Time", (at.hour, at.minute, micro), None, 3)]


def _part(name: str, place: int) -> Callable[[Scope, Items], Items]:
    def function(scope: Scope, items: Items) -> Items:
        value = single(items, f"{name}()")
        if not isinstance(value, Temporal):
            return []
        at = place - 3 if value.kind == "Time" else place
        if not 0 <= min(at, 5) < len(value.parts) or (value.kind == "Time" and at < 0):
            return []
        part = value.parts[at]
        return [part // 1_000_000 if name == "secondOf" else part]

    return function


def _millisecond(scope: Scope, items: Items) -> Items:
    value = single(items, "millisecondOf()")
    full = isinstance(value, Temporal) and len(value.parts) == (3 if value.kind == "Time" else 6)
    return [value.parts[-1] % 1_000_000 // 1000] if full and value.digits else []


def _zone(scope: Scope, items: Items) -> Items:
    value = single(items, "timezoneOffsetOf()")
    if not isinstance(value, Temporal) or value.offset is None:
        return []
    return [Decimal(value.offset) / 60]


def _date_of(scope: Scope, items: Items) -> Items:
    value = single(items, "dateOf()")
    if not isinstance(value, Temporal) or value.kind == "Time":
        return []
    return [Temporal("Date", value.parts[:3])]


def _time_of(scope: Scope, items: Items) -> Items:
    value = single(items, "timeOf()")
    if not isinstance(value, Temporal) or value.kind != "DateTime" or len(value.parts) < 4:
        return []
    return [Temporal("Time", value.parts[3:], None, value.digits)]


def _interval(name: str, count: Callable[..., int | None]) -> Callable[..., Items]:
    def function(scope: Scope, items: Items, other: Items, unit: Items) -> Items:
        one, two, word = single(items, name), single(other, name), text(unit, name)
        if one is None or two is None or word is None:
            return []
        if not isinstance(one, Temporal) or not isinstance(two, Temporal):
            raise ExecutionFault(f"{name} needs dates or times")
        if word not in CALENDAR:
            raise ExecutionFault(f"'{word}' is no calendar unit")
        return wrap(count(one, two, CALENDAR[word]))

    return function


_PARTS: dict[str, Any] = {
    name: _part(name, place)
    for place, name in enumerate(("yearOf", "monthOf", "dayOf", "hourOf", "minuteOf", "secondOf"))
} | {"millisecondOf": _millisecond}

TABLE: dict[str, Function] = {
    "lowBoundary": Function(_boundary(False), 0, 1),
    "highBoundary": Function(_boundary(True), 0, 1),
    "precision": Function(_precision, returns=_INTEGER),
    "comparable": Function(_comparable, 1, 1, ("System.Boolean",)),
    "now": Function(_now, returns=("System.DateTime",)),
    "today": Function(_today, returns=("System.Date",)),
    "timeOfDay": Function(_time_of_day, returns=("System.Time",)),
    "timezoneOffsetOf": Function(_zone, returns=("System.Decimal",)),
    "duration": Function(_interval("duration()", duration), 2, 2, _INTEGER),
    "difference": Function(_interval("difference()", difference), 2, 2, _INTEGER),
    "dateOf": Function(_date_of, returns=("System.Date",)),
    "timeOf": Function(_time_of, returns=("System.Time",)),
} | {name: Function(call, returns=_INTEGER) for name, call in _PARTS.items()}
