"""Quantities: a decimal and a unit, either UCUM or a word of the calendar (`week`, `year`).

https://hl7.org/fhirpath/N1/#quantity. Weeks and shorter calendar units are UCUM's own; a calendar
year or month is no fixed time, so against UCUM's `a` and `mo` it is equivalent but never equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from fhir_server.fhir import ucum

_SINGULAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR = {name + plural: name for name in _SINGULAR for plural in ("", "s")}
_UCUM = {
    "year": "a",
    "month": "mo",
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_WORD = {code: word for word, code in _UCUM.items()}
_DAY = 86_400_000
_MILLISECONDS = {
    "year": 365 * _DAY,
    "month": 30 * _DAY,
    "week": 7 * _DAY,
    "day": _DAY,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1000,
    "millisecond": 1,
}
_CALENDAR_OF = {code: name for name, code in _UCUM.items() if code not in ("a", "mo")}


@dataclass(frozen=True, slots=True)
class Quantity:
    """`unit` is a UCUM code, or the singular calendar word where `calendar` is true."""

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        if not self.calendar:
            return f"{self.value} '{self.unit}'"
        return f"{self.value} {self.unit}{'' if self.value == 1 else 's'}"

    @property
    def code(self) -> str:
        """The UCUM code, for a calendar unit the one that it resembles."""
        return _UCUM[self.unit] if self.calendar else self.unit

    @property
    def key(self) -> tuple[Decimal, str]:
        """Hashable, and the same for two quantities that are equal."""
        if self.calendar and self.unit in ("year", "month"):
            return self.value * (12 if self.unit == "year" else 1), "month"
        found = ucum.canonical(self.value, self.code)
        return found or (self.value, f"'{self.unit}'")

    def to(self, target: Quantity) -> Decimal | None:
        """The value in the unit of `target`, within the calendar where this is calendar's."""
        if self.calendar:
            word = target.unit if target.calendar else _WORD.get(target.unit)
            return None if word is None else self.to_calendar(word)
        try:
            return ucum.convert(self.value, self.code, target.code)
        except ucum.UcumError:
            return self.value if self.unit == target.unit else None

    def to_calendar(self, word: str) -> Decimal:
        """The value of a calendar quantity in another word: a year is 12 months or 365 days."""
        both = {self.unit, word}
        if both == {"year", "month"}:
            return self.value * 12 if word == "month" else self.value / 12
        if both <= {"year", "month"}:
            return self.value
        return self.value * _MILLISECONDS[self.unit] / _MILLISECONDS[word]

    @property
    def duration(self) -> str | None:
        """The calendar word for date arithmetic; None where the unit is no such duration."""
        if self.calendar:
            return self.unit
        return _CALENDAR_OF.get(self.unit) or CALENDAR.get(self.unit)


def compare(one: Quantity, other: Quantity) -> int | None:
    """-1, 0 or 1; None where the two do not measure the same."""
    (a, unit), (b, unit2) = one.key, other.key
    if unit != unit2:
        if not (one.calendar and other.calendar):
            return None
        target = one if _rank(one) < _rank(other) else other  # the longer unit
        a, b = one.to_calendar(target.unit), other.to_calendar(target.unit)
    return (a > b) - (a < b)


def equivalent(one: Quantity, other: Quantity) -> bool:
    """Whether both are the same in the larger unit, rounded to the digits of the less precise."""
    target = _extreme(one, other, largest=True)
    if target is None:
        return one.unit == other.unit and one.value == other.value
    left, right = one.to(target), other.to(target)
    if left is None or right is None:
        return False
    return equivalent_numbers(left, right)


def equivalent_numbers(one: Decimal, other: Decimal) -> bool:
    """Whether both are the same when rounded to the digits of the less precise."""
    step = Decimal(1).scaleb(-min(decimals(one), decimals(other)))
    try:
        return one.quantize(step, ROUND_HALF_UP) == other.quantize(step, ROUND_HALF_UP)
    except InvalidOperation:  # more digits than can be rounded
        return one == other


def add(one: Quantity, other: Quantity, sign: int) -> Quantity | None:
    """The sum (sign 1) or difference (sign -1) in the smaller unit; None where there is none.

    Different units with a calendar year or month need an explicit conversion first.
    """
    if one.unit == other.unit and one.calendar == other.calendar:
        if is_special(one):
            return None
        return Quantity(one.value + sign * other.value, one.unit, one.calendar)
    calendar = one.calendar or other.calendar
    if calendar and {one.code, other.code} & {"a", "mo"}:
        return None
    target = _extreme(one, other, largest=False)
    if target is None or is_special(one) or is_special(other):
        return None
    left, right = one.to(target), other.to(target)
    if left is None or right is None:
        return None
    if calendar and not target.calendar:
        target = Quantity(target.value, target.duration or target.unit, calendar=True)
    return Quantity(left + sign * right, target.unit, target.calendar)


def product(one: Quantity, other: Quantity, sign: int) -> Quantity | None:
    """The product (sign 1) or quotient (sign -1); None for special and calendar units.

    A calendar unit takes a plain number alone. ZeroDivisionError.
    """
    if one.calendar or other.calendar:
        if other.unit == "1":
            return Quantity(one.value * other.value**sign, one.unit, True)
        return (
            Quantity(one.value * other.value, other.unit, True)
            if (sign > 0 and one.unit == "1")
            else None
        )
    if is_special(one) or is_special(other):
        return None
    act = ucum.multiply if sign > 0 else ucum.divide
    return Quantity(*act(one.value, one.code, other.value, other.code))


def is_special(quantity: Quantity) -> bool:
    """Whether the unit has no zero to count from (UCUM §21): Cel, [pH], dB."""
    try:
        return bool(ucum.parse(quantity.code).special)
    except ucum.UcumError:
        return False


def _rank(quantity: Quantity) -> int:
    return _SINGULAR.index(quantity.unit)


def _extreme(one: Quantity, other: Quantity, *, largest: bool) -> Quantity | None:
    """The one of the larger (or smaller) unit, the left one where they are alike."""
    try:
        a, b = ucum.parse(one.code), ucum.parse(other.code)
    except ucum.UcumError:
        return one if one.unit == other.unit else None
    if a.dimensions != b.dimensions:
        return None
    return other if (b.factor > a.factor if largest else b.factor < a.factor) else one


def decimals(value: Decimal) -> int:
    """How many digits the number has after the point, trailing zeros not counted."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
