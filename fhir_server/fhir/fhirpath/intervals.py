"""How far apart two dates or times are (https://hl7.org/fhirpath/#duration, STU)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.temporal import Temporal, compare, in_utc, plus

_DATE_PARTS = {"year": 1, "month": 2, "week": 3, "day": 3}
_CLOCK_PARTS = {"hour": 1, "minute": 2, "second": 3, "millisecond": 3}
_LENGTHS = {  # in microseconds
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1000,
}


def duration(one: Temporal, other: Temporal, unit: str) -> int | None:
    """Whole periods of `unit` from `one` to `other`, negative where `other` is earlier.

    None where a value is less precise than the unit. ExecutionFault for a unit of the other kind.
    """
    pair = _aligned(one, other, unit)
    if pair is None:
        return None
    early, late = pair
    if compare(early, late) == 1:
        return -_whole(late, early, unit)
    return _whole(early, late, unit)


def difference(one: Temporal, other: Temporal, unit: str) -> int | None:
    """Boundaries of `unit` crossed from `one` to `other`; a week begins on Sunday.

    None where a value is less precise than the unit. ExecutionFault for a unit of the other kind.
    """
    pair = _aligned(one, other, unit)
    return None if pair is None else _ordinal(pair[1], unit) - _ordinal(pair[0], unit)


def _aligned(one: Temporal, other: Temporal, unit: str) -> tuple[Temporal, Temporal] | None:
    """Both in one timezone and to the same precision; None where the unit is finer."""
    kinds = {one.kind, other.kind}
    time = "Time" in kinds
    if time and len(kinds) > 1:
        raise ExecutionFault(f"{one.kind} and {other.kind} have no distance")
    if (time and unit in _DATE_PARTS) or ("Date" in kinds and unit in _CLOCK_PARTS):
        raise ExecutionFault(f"a {one.kind} has no {unit}")
    wanted = _DATE_PARTS.get(unit) or _CLOCK_PARTS[unit] + (0 if time else 3)
    count = min(len(one.parts), len(other.parts))
    if count < wanted:
        return None
    if unit in _CLOCK_PARTS and one.offset is not None and other.offset is not None:
        one, other = in_utc(one), in_utc(other)
    return Temporal(one.kind, one.parts[:count]), Temporal(other.kind, other.parts[:count])


def _whole(early: Temporal, late: Temporal, unit: str) -> int:
    if unit in _CLOCK_PARTS:
        return (_micro(late) - _micro(early)) // _LENGTHS[unit]
    found = _ordinal(late, unit) - _ordinal(early, unit)
    reached = plus(early, Decimal(found), unit)
    return found - (reached is None or compare(reached, late) == 1)


def _ordinal(value: Temporal, unit: str) -> int:
    parts = value.parts
    if unit == "year":
        return parts[0]
    if unit == "month":
        return parts[0] * 12 + parts[1]
    if unit in _DATE_PARTS:
        days = date(parts[0], parts[1], parts[2]).toordinal()
        return days if unit == "day" else days // 7  # day 7 of year 1 was a Sunday
    return _micro(value) // _LENGTHS[unit]


def _micro(value: Temporal) -> int:
    parts = value.parts
    days = 0 if value.kind == "Time" else date(parts[0], parts[1], parts[2]).toordinal()
    clock = (*(parts if value.kind == "Time" else parts[3:]), 0, 0, 0)
    return (days * 24 + clock[0]) * _LENGTHS["hour"] + clock[1] * _LENGTHS["minute"] + clock[2]
