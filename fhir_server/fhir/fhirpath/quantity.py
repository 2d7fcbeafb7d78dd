"""Quantities: a decimal and a unit, either UCUM or a word of the calendar (`week`, `year`).

https://hl7.org/fhirpath/N1/#quantity. Weeks and shorter calendar units are UCUM's own; a calendar
year or month is no fixed time, so against UCUM's `a` and `mo` it is equivalent but never equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

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
        return None
    return (a > b) - (a < b)


def equivalent(one: Quantity, other: Quantity) -> bool:
    """Whether both are the same when rounded to the digits of the less precise."""
    try:
        value = ucum.convert(other.value, other.code, one.code)
    except ucum.UcumError:
        return one.unit == other.unit and one.value == other.value
    digits = min(decimals(one.value), decimals(value))
    return round(one.value, digits) == round(value, digits)


def decimals(value: Decimal) -> int:
    """How many digits the number has after the point, trailing zeros not counted."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
