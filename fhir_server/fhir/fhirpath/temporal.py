"""Dates, dateTimes and times with their precision (https://hl7.org/fhirpath/N1/#datetime).

Two values compare part by part; where one has fewer parts and all that both have agree, the answer
is not known (None, which FHIRPath writes as empty). A dateTime without timezone stands for any, so
against one with a timezone the answer is known only where no timezone could change it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

_PATTERN = {
    "Date": re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?"),
    "DateTime": re.compile(
        r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?"
        r"(?:T(?:([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?)?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})?)?)?"
    ),
    "Time": re.compile(r"([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?)?"),
}
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EAST, _WEST = 14 * 60, -12 * 60  # timezones go from -12:00 to +14:00, in minutes
_UNITS = {  # length in microseconds of what has one
    "week": 7 * _DAY,
    "day": _DAY,
    "hour": 3600 * _SECOND,
    "minute": 60 * _SECOND,
    "second": _SECOND,
    "millisecond": 1000,
}


@dataclass(frozen=True, slots=True)
class Temporal:
    """`kind` is Date, DateTime or Time; `parts` are as many as the precision has.

    Date: year, month, day. Time: hour, minute, seconds in microseconds. DateTime: both. `digits`
    are those of the written fraction of a second; `offset` is in minutes, None without timezone.
    """

    kind: str
    parts: tuple[int, ...]
    offset: int | None = None
    digits: int = 0

    def __str__(self) -> str:
        """As FHIR writes it; a dateTime without time has no T."""
        parts = self.parts
        if self.kind == "Time":
            return _clock(parts, self.digits)
        text = "-".join(f"{p:0{4 if i == 0 else 2}}" for i, p in enumerate(parts[:3]))
        if len(parts) > 3:
            text += "T" + _clock(parts[3:], self.digits)
        return text + (_zone(self.offset) if self.offset is not None else "")

    @property
    def key(self) -> tuple[object, ...]:
        """Hashable, and the same for two values that are equal."""
        return self.kind == "Time", self.offset is None, in_utc(self).parts

    @property
    def precision(self) -> int:
        """How many digits are written: 4 for a year, 17 for a dateTime with milliseconds."""
        extra = 1 if self.digits else 0
        full = 3 if self.kind == "Time" else 6
        count = len(self.parts) + (extra if len(self.parts) == full else 0)
        return _DIGITS[self.kind == "Time"][count - 1]


_DIGITS = ((4, 6, 8, 10, 12, 14, 17), (2, 4, 6, 9))


def parse_temporal(text: str, kind: str) -> Temporal | None:
    """The value of a text such as `2015-02`, `2015-02-04T14:34:28.1+10:00` or `14:34`.

    None where it is none of that kind, or not in the calendar. A Time has no `T` in front.
    """
    match = _PATTERN[kind].fullmatch(text)
    if match is None:
        return None
    groups = list(match.groups())
    offset = None
    if kind == "DateTime":
        zone = groups.pop()
        if zone == "Z":
            offset = 0
        elif zone:
            offset = (int(zone[1:3]) * 60 + int(zone[4:])) * (-1 if zone[0] == "-" else 1)
            if abs(offset) > 14 * 60:
                return None
    digits = 0
    parts: list[int] = []
    for place, group in enumerate(groups):
        if group is None:
            break
        if place == len(groups) - 1 and kind != "Date":
            whole, _, fraction = group.partition(".")
            digits = min(len(fraction), 6)
            parts.append(int(whole) * _SECOND + int((fraction + "000000")[:6]))
        else:
            parts.append(int(group))
    value = Temporal(kind, tuple(parts), offset, digits)
    return value if _exists(value) else None


def _exists(value: Temporal) -> bool:
    days = () if value.kind == "Time" else value.parts[:3]
    clock = value.parts if value.kind == "Time" else value.parts[3:]
    if days and days[0] == 0:
        return False
    if len(days) > 1 and not 1 <= days[1] <= 12:
        return False
    if len(days) > 2 and not 1 <= days[2] <= monthrange(days[0], days[1])[1]:
        return False
    # 60 is a leap second, which FHIR allows
    return all(part < limit for part, limit in zip(clock, (24, 60, 61 * _SECOND), strict=False))


def compare(one: Temporal, other: Temporal) -> int | None:
    """-1, 0 or 1; None where the precisions or timezones leave it open, or the kinds differ."""
    if (one.kind == "Time") != (other.kind == "Time"):
        return None
    if one.kind != "Time" and (one.offset is None) != (other.offset is None):
        (low1, high1), (low2, high2) = _range(one), _range(other)
        return -1 if high1 < low2 else 1 if low1 > high2 else None
    left, right = in_utc(one).parts, in_utc(other).parts
    for a, b in zip(left, right, strict=False):
        if a != b:
            return -1 if a < b else 1
    return 0 if len(left) == len(right) else None


def plus(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """The value moved by an amount of `year`, `month`, `week`, ... `millisecond`.

    A fraction counts only in seconds and milliseconds. A unit finer than the value's precision is
    first turned into the value's own (24 months are 2 years, 30 days a month). None beyond the
    calendar. https://hl7.org/fhirpath/N1/#datetime-arithmetic
    """
    whole = int(amount)
    if unit in ("second", "millisecond"):
        micro = int(amount * _UNITS[unit])
    else:
        micro = whole * _UNITS.get(unit, 0)
    try:
        if value.kind == "Time":
            return _plus_clock(value, micro) if unit in _UNITS else None
        if unit in ("year", "month"):
            return _plus_months(value, whole * (12 if unit == "year" else 1))
        if len(value.parts) < 3:
            days = Decimal(micro) / _DAY
            if len(value.parts) == 1:
                return _plus_months(value, int(days / 365) * 12)
            return _plus_months(value, int(days / 30))
        return _plus_micro(value, micro)
    except (OverflowError, ValueError):
        return None


def low_boundary(value: Temporal, digits: int) -> Temporal | None:
    """The earliest instant that the value may mean, with `digits` digits of precision."""
    return _boundary(value, digits, False)


def high_boundary(value: Temporal, digits: int) -> Temporal | None:
    """The latest instant that the value may mean, with `digits` digits of precision."""
    return _boundary(value, digits, True)


def _boundary(value: Temporal, digits: int, high: bool) -> Temporal | None:
    is_time = value.kind == "Time"
    scale = _DIGITS[is_time]
    if digits not in scale:
        return None
    count = scale.index(digits) + 1
    parts = list(value.parts)
    names = (3, 4, 5) if is_time else (0, 1, 2, 3, 4, 5)
    wanted = min(count, len(names))
    milliseconds = count > len(names)
    for name in names[len(parts) : wanted]:
        last = (0, 12, monthrange(parts[0], parts[1])[1] if name == 2 else 31, 23, 59, 59_999_999)
        first = (0, 1, 1, 0, 0, 0)
        parts.append((last if high else first)[name])
    parts = parts[:wanted]
    if len(parts) == len(names):
        if high and len(value.parts) == len(names) and not value.digits:
            parts[-1] += 999_999
        step = 1000 if milliseconds else _SECOND
        parts[-1] = parts[-1] // step * step
    offset = value.offset
    if not is_time and wanted > 3 and offset is None:
        offset = _WEST if high else _EAST
    if wanted <= 3:
        offset = None
    kind = "DateTime" if value.kind == "Date" and wanted > 3 else value.kind
    return Temporal(kind, tuple(parts), offset, 3 if milliseconds else 0)


def _clock(parts: tuple[int, ...], digits: int) -> str:
    text = ":".join(f"{p:02}" for p in parts[:2])
    if len(parts) > 2:
        seconds, micro = divmod(parts[2], _SECOND)
        text += f":{seconds:02}"
        if digits or micro:
            text += f".{micro:06}"[: 1 + (digits or 3)]
    return text


def _zone(offset: int) -> str:
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"


def in_utc(value: Temporal) -> Temporal:
    """The value at the zero offset; as it is where it has no timezone."""
    if not value.offset or len(value.parts) < 4:
        return value
    try:
        moved = _plus_micro(value, -value.offset * 60 * _SECOND)
    except (OverflowError, ValueError):
        return value
    return replace(moved, offset=0)


def _range(value: Temporal) -> tuple[int, int]:
    low = list(value.parts) + [1, 1, 1, 0, 0, 0][len(value.parts) :]
    last = [low[0], 12, 0, 23, 59, 60 * _SECOND - 1]
    high = list(value.parts) + last[len(value.parts) :]
    if len(value.parts) < 3:
        high[2] = monthrange(high[0], high[1] if len(value.parts) > 1 else 12)[1]
    shifts = (_EAST, _WEST) if value.offset is None else (value.offset, value.offset)
    return tuple(  # type: ignore[return-value]
        _micro(parts) - shift * 60 * _SECOND
        for parts, shift in zip((low, high), shifts, strict=True)
    )


def _micro(parts: list[int]) -> int:
    days = date(parts[0], parts[1], parts[2]).toordinal()
    return days * _DAY + parts[3] * 3600 * _SECOND + parts[4] * 60 * _SECOND + parts[5]


def _plus_micro(value: Temporal, micro: int) -> Temporal:
    count = len(value.parts)
    micro = _coarse(micro, count - 3)
    full = list(value.parts) + [0] * (6 - count)
    days, rest = divmod(_micro(full) + micro, _DAY) if count > 3 else (0, 0)
    if count == 3:
        moved = date(*value.parts[:3]) + timedelta(days=int(Decimal(micro) / _DAY))
        return replace(value, parts=(moved.year, moved.month, moved.day))
    moved = date.fromordinal(days)
    hour, rest = divmod(rest, 3600 * _SECOND)
    minute, rest = divmod(rest, 60 * _SECOND)
    parts = (moved.year, moved.month, moved.day, hour, minute, rest)
    digits = value.digits
    if count == 6 and rest % _SECOND and digits < 3:
        digits = 3
    return replace(value, parts=parts[:count], digits=digits)


def _coarse(micro: int, clock_parts: int) -> int:
    """Cut to whole hours or minutes, towards zero, where the value has no finer parts."""
    step = {1: 3600 * _SECOND, 2: 60 * _SECOND}.get(clock_parts, 1)
    return int(Decimal(micro) / step) * step


def _plus_months(value: Temporal, months: int) -> Temporal:
    parts = list(value.parts)
    if len(parts) == 1:
        parts[0] += int(Decimal(months) / 12)
    else:
        year, month = divmod(parts[0] * 12 + parts[1] - 1 + months, 12)
        parts[0], parts[1] = year, month + 1
        if len(parts) > 2:
            parts[2] = min(parts[2], monthrange(year, month + 1)[1])
    if not 1 <= parts[0] <= 9999:
        raise OverflowError
    return replace(value, parts=tuple(parts))


def _plus_clock(value: Temporal, micro: int) -> Temporal:
    full = list(value.parts) + [0] * (3 - len(value.parts))
    micro = _coarse(micro, len(value.parts))
    total = (full[0] * 3600 * _SECOND + full[1] * 60 * _SECOND + full[2] + micro) % _DAY
    hour, rest = divmod(total, 3600 * _SECOND)
    minute, rest = divmod(rest, 60 * _SECOND)
    digits = 3 if len(value.parts) == 3 and rest % _SECOND and value.digits < 3 else value.digits
    return replace(value, parts=(hour, minute, rest)[: len(value.parts)], digits=digits)
