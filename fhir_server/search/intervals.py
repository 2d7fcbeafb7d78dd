"""What a prefix asks of an interval (https://hl7.org/fhir/R4/search.html#prefix).

Every ordered value of a resource is an interval from `lo` to `hi`, both inside; the value of a
search is another, from `low` to `high`. `gt` asks whether the part above it is touched, `eq`
whether it holds the resource's interval as a whole, `ne` whether it does not (also where the two
overlap in part). A resource with several values matches when one of them does, `ne` included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from fhir_server.search.kinds import Filter

Number = int | float
Condition = dict[str, Any]

DAY = 86_400_000_000
"""Microseconds; dates and times of no more than a day are found by where they begin."""

OPEN_START, OPEN_END = -(2**62), 2**62
"""Where a period without a start or an end begins or ends, in microseconds."""


Row: TypeAlias = tuple[str, Number, Number, tuple[str, ...]]
"""An ordered value: what its key ends with, its interval, and what its unit is called."""


class Wanted(NamedTuple):
    """One way to meet a search: conditions on `lo` and `hi`, for all values or the long ones.

    `names` are what the row must say besides (`w`).
    """

    lo: Condition
    hi: Condition
    long: bool = False
    names: tuple[str, ...] = ()

    def row(self, key: Any) -> Condition:
        """The condition on one row of `r` under a key."""
        found: Condition = {"k": key}
        if self.lo:
            found["lo"] = self.lo
        if self.hi:
            found["hi"] = self.hi
        if self.names:
            found["w"] = self.names[0] if len(self.names) == 1 else {"$all": list(self.names)}
        return found


def wanted(prefix: str, low: Number, high: Number, width: Number, margin: Number) -> list[Wanted]:
    """The ways to meet `prefix` with the interval from `low` to `high`, both inside.

    Values up to `width` wide are called short. Where only the end of a value decides, short ones
    are found between `low - width` and there, and long ones, which have a key of their own, apart:
    so a range of an index is read and not all of it. `margin` is what `ap` adds at either side.
    """
    match prefix:
        case "eq":
            inside = {"$gte": low, "$lte": high}
            return [Wanted(inside, dict(inside))]
        case "ne":
            return [Wanted({"$lt": low}, {}), *_ends_after(high, width, {"$gte": low})]
        case "gt":
            return _ends_after(high, width, {})
        case "ge":
            return [Wanted({"$gte": low}, {}), *_ends_after(high, width, {"$lt": low})]
        case "lt":
            return [Wanted({"$lt": low}, {})]
        case "le":
            return [Wanted({"$lt": low}, {}), Wanted({"$gte": low, "$lte": high}, {"$lte": high})]
        case "sa":
            return [Wanted({"$gt": high}, {})]
        case "eb":
            return [Wanted({"$lt": low}, {"$lt": low})]
        case _:
            low, high = low - margin, high + margin
            return [
                Wanted({"$gte": low - width, "$lte": high}, {"$gte": low}),
                Wanted({"$lt": low - width}, {"$gte": low}, long=True),
            ]


def _ends_after(high: Number, width: Number, start: Condition) -> list[Wanted]:
    """Values that end after `high` and begin as `start` says."""
    end = {"$gt": high}
    border = high - width
    found: list[Wanted] = []
    nothing = 1 if isinstance(border, int) else 0  # lies between a microsecond and the next
    if start.get("$lt", math.inf) - border > nothing:
        short = start if start.get("$gte", -math.inf) > border else {**start, "$gt": border}
        found.append(Wanted(short, end))
    if start.get("$gte", -math.inf) <= border:
        found.append(Wanted({**start, "$lte": border}, end, long=True))
    return found


def over_ranges(keys: Sequence[str], ways: Sequence[Wanted]) -> Filter:
    """The filter over `r` for values under any of the keys."""
    filters: list[Filter] = []
    for way in ways:
        names = [f"{key}~" for key in keys] if way.long else list(keys)
        row = way.row(names[0] if len(names) == 1 else {"$in": names})
        filters.append({"r": {"$elemMatch": row}})
    return filters[0] if len(filters) == 1 else {"$or": filters}


def over_clinical_date(code: str, ways: Sequence[Wanted]) -> Filter:
    """The filter over `d` and `e`, where the main clinical date of the type lies."""
    filters: list[Filter] = []
    for way in ways:
        filter_: Filter = {"k": f"~{code}"} if way.long else {}
        if way.lo:
            filter_["d"] = way.lo
        if way.hi:
            filter_["e"] = way.hi
        filters.append(filter_)
    return filters[0] if len(filters) == 1 else {"$or": filters}
