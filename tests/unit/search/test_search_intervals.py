"""Prefixes over intervals against the plain words of the specification, on random values.

https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from fhir_server.search.collector import Collector
from fhir_server.search.intervals import over_clinical_date, over_ranges, wanted
from fhir_server.search.keys import documents
from fhir_server.search.meets import meets

WIDTH = 5
POINTS = some.integers(-20, 20)
INTERVALS = some.tuples(POINTS, POINTS).map(lambda ends: (min(ends), max(ends)))
PREFIXES = some.sampled_from(("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"))


def says(prefix: str, low: int, high: int, first: int, last: int, margin: int) -> bool:
    """Whether the value from `first` to `last` meets the search from `low` to `high`."""
    contained = low <= first and last <= high
    above, below = last > high, first < low
    return {
        "eq": contained,
        "ne": not contained,
        "gt": above,
        "ge": above or contained,
        "lt": below,
        "le": below or contained,
        "sa": first > high,
        "eb": last < low,
        "ap": first <= high + margin and last >= low - margin,
    }[prefix]


@given(PREFIXES, INTERVALS, some.lists(INTERVALS, min_size=1, max_size=3), some.integers(0, 4))
def test_ranges(
    prefix: str, search: tuple[int, int], values: list[tuple[int, int]], margin: int
) -> None:
    out = Collector({}, "")
    for first, last in values:
        out.add_range("x", first, last, WIDTH)
    document = {"r": documents(out.ranges)}
    filter_ = over_ranges(["x"], wanted(prefix, *search, WIDTH, margin))
    expected = any(says(prefix, *search, *value, margin) for value in values)
    assert meets(document, filter_) == expected


def test_no_way_is_empty() -> None:
    """From a day on: what begins on it or later, and what is longer than a day and ends later."""
    begins, longer = wanted("ge", 20, 20 + WIDTH - 1, WIDTH, 0)
    assert (begins.lo, begins.long) == ({"$gte": 20}, False)
    assert longer.long
    assert len(wanted("ge", 20, 20 + WIDTH - 2, WIDTH, 0)) == 3


@given(PREFIXES, INTERVALS, INTERVALS, some.integers(0, 4))
def test_clinical_date(
    prefix: str, search: tuple[int, int], value: tuple[int, int], margin: int
) -> None:
    first, last = value
    document = {"d": first, "e": last, "k": ["~x"] if last - first > WIDTH else []}
    filter_ = over_clinical_date("x", wanted(prefix, *search, WIDTH, margin))
    assert meets(document, filter_) == says(prefix, *search, *value, margin)
