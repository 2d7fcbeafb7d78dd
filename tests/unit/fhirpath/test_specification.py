"""What the specification's own examples say (https://hl7.org/fhirpath/), as a table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.fhirpath import FhirPathError, evaluate

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "1974-12-25",
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "family": "Windsor", "given": ["Peter"]},
    ],
    "telecom": [{"system": "phone", "rank": 1}, {"system": "phone", "rank": 2}, {"use": "home"}],
    "deceasedBoolean": False,
}

EMPTY: list[Any] = []

TRUE = """
    1.10 = 1.1
    0.0 = 0
    (1 | 2 | 3) ~ (3 | 2 | 1)
    23 = 23 '1'
    1 'cm' = 10.0 'mm'
    23 'Cel' = 73.4 '[degF]'
    1 'h' = 3600 's'
    1 hour = 3600 's'
    1 year = 12 months
    1 year = 365 days
    7 days = 1 'wk'
    1 year.toQuantity('a') = 1 'a'
    2 year.toQuantity('a') > 1 'a'
    10 seconds > 1 's'
    2.1 'cm' ~ 21 'mm'
    21 'mm' ~ 2 'cm'
    4 'g' ~ 4040 'mg'
    1 '[in_i]' ~ 2.5 'cm'
    1 year ~ 1 'a'
    1 year ~ 12 'mo'
    1 year ~ 11 months
    'a b' ~ 'a\\tb'
    'a b' ~ 'A B'
    (1.2 / 1.8) ~ 0.67
    @2012-01-01T10:30:31.0 = @2012-01-01T10:30:31
    @2012-01-01T10:30:31.0 ~ @2012-01-01T10:30:31
    @2017-11-05T01:30:00.0-04:00 = @2017-11-05T00:30:00.0-05:00
    'first line\\nsecond line'.matches('^second', 'm')
    'first line\\nsecond line'.matches('^SECOND', 'im')
    'N8000123123'.matches('N[0-9]{8}')
    'N8000123123'.matchesFull('N[0-9]{10}')
    1 'm'.comparable(20 'cm')
    2 '1'.comparable(3)
    1 'Cel'.comparable(1 '[degF]')
    2 '[in_i]'.convertsToQuantity('cm')
    10 'Cel'.convertsToQuantity('[degF]')
    'T'.toBoolean()
    5 'mg' is Quantity
    Patient.deceased is boolean
    now() = now()
    $this = %resource and %context = %rootResource
    3 'm' + 3 'cm' = 303 'cm'
"""

FALSE = """
    1.2 / 1.8 = 0.67
    (1 | 2 | 3) = (3 | 2 | 1)
    1 'cm' = 1 'm'
    6 months > 1 year
    'a     b' ~ 'a b'
    @2012-01 ~ @2012
    1 ~ {}
    'first line\\nsecond line'.matches('^second', '')
    'N8000123123'.matches('^N[0-9]{8}$')
    1 year.comparable(1 'a')
    1 'm'.convertsToQuantity('kg')
    '1.0'.convertsToInteger()
    Patient.name.first().convertsToString()
    Patient.active is System.Boolean
    'a' in {}
"""

NOTHING = """
    1 'cm' = 1 's'
    1 year = 1 'a'
    1 year = 12 'mo'
    1 year > 1 'a'
    @2012-01 = @2012
    @2018-03-01T10 > @2018-03-01T10:30
    @2012-01-01T10:00:00Z = @2012-01-01T10:00:00
    1 year + 12 months
    1 year + 12 'mo'
    2 + 2 'cm'
    1 'kg' + 1 's'
    37 'Cel' * 2 'm'
    12 day * 45 'm'
    12 / 0
    5 div 0
    5 mod 0
    2147483647 + 1
    45.toQuantity('m')
    24 'm'.toQuantity('kg')
    '1.1'.toInteger()
    'abcdefg'.substring(7, 1)
    'abcdefg'.substring(-1, 1)
    {} and true
    {} in ('a' | 'b')
    (-1).power(0.5)
    'ABC' + {} + 'DEF'
    iif(false, 1)
    @2012-01.yearOf().select({})
"""

VALUES: list[tuple[str, list[Any]]] = [
    ("3 'm' - 3 'cm'", [{"value": 297, "unit": "cm"}]),
    ("2 minutes + 60 seconds", [{"value": 180, "unit": "second"}]),
    ("60 's' + 2 minutes", [{"value": 180, "unit": "second"}]),
    ("1 'wk' + 2 days", [{"value": 9, "unit": "day"}]),
    ("3 'd' + 1 'wk'", [{"value": 10, "unit": "d"}]),
    ("1 year.toQuantity('month') + 12 months", [{"value": 24, "unit": "month"}]),
    ("182.5 days.toQuantity('a')", [{"value": Decimal("0.5"), "unit": "a"}]),
    ("7 days.toQuantity('wk')", [{"value": 1, "unit": "wk"}]),
    ("1 'a'.toQuantity('d')", [{"value": Decimal("365.25"), "unit": "d"}]),
    ("52 'cm'.toQuantity('m')", [{"value": Decimal("0.52"), "unit": "m"}]),
    ("12 'cm' * 3 'cm'", [{"value": 36, "unit": "cm2"}]),
    ("10 'm/s' * 10 's'", [{"value": 100, "unit": "m"}]),
    ("3 * 2 'cm'", [{"value": 6, "unit": "cm"}]),
    ("12 'cm2' / 3 'cm'", [{"value": 4, "unit": "cm"}]),
    ("120 'm' / 60 's'", [{"value": 2, "unit": "m/s"}]),
    ("60 / 1 's'", [{"value": 60, "unit": "/s"}]),
    ("60 's' / 2", [{"value": 30, "unit": "s"}]),
    ("5.5 div 0.7", [7]),
    ("5.5 mod 0.7", [Decimal("0.6")]),
    ("-7 div 2", [-3]),
    ("-7 mod 3", [-1]),
    ("@1973-12-25 + 7.9 days", ["1974-01-01"]),
    ("@2026-01-31 + 1 month", ["2026-02-28"]),
    ("@1973-12-25T00:00:00.000+10:00 + 42.53 seconds", ["1973-12-25T00:00:42.530+10:00"]),
    ("@T23:30:00 + 1 hour", ["00:30:00"]),
    ("@T01:00:00 - 2 hours", ["23:00:00"]),
    ("@2014 + 24 months", ["2016"]),
    ("@2014 + 23 months", ["2015"]),
    ("@2016 + 365 days", ["2017"]),
    ("@2026-02 + 5 weeks", ["2026-03"]),
    ("@2026-02 + 4 weeks", ["2026-02"]),
    ("@2014 - 1 month", ["2014"]),
    ("@2026-02 - 1 day", ["2026-02"]),
    ("@2014-01-01T10 - 30 minutes", ["2014-01-01T10"]),
    ("'0123'.lastIndexOf('')", [4]),
    ("'abc abc'.lastIndexOf('a')", [4]),
    ("'abcdefg'.substring(3, -1)", [""]),
    ("'a\\uD83D\\uDD25c'.replace('', 'x')", ["xax🔥xcx"]),
    (
        "'11/30/1972'.replaceMatches('\\\\b(?<month>\\\\d{1,2})/(?<day>\\\\d{1,2})/"
        "(?<year>\\\\d{2,4})\\\\b', '${day}-${month}-${year}')",
        ["30-11-1972"],
    ),
    ("'A,,C'.split(',')", ["A", "", "C"]),
    ("('A' | 'B').join()", ["AB"]),
    ("'ABC' & {} & 'DEF'", ["ABCDEF"]),
    ("(3 | 1 | 2).sort($this desc)", [3, 2, 1]),
    ("('3' | '1' | '10').sort()", ["1", "10", "3"]),
    ("Patient.telecom.sort(rank desc).rank", [2, 1]),
    ("Patient.name.sort(family).use", ["usual", "official", "maiden"]),
    ("Patient.name.sort(family desc).use", ["maiden", "official", "usual"]),
    ("1.5 'mg'.ceiling()", [{"value": 2, "unit": "mg"}]),
    ("(1.0 'mg' | 2.0 'mg').sum()", [{"value": 3, "unit": "mg"}]),
    ("(2 | 4 | 8 | 6).max()", [8]),
    ("(@2012-12-31 | @2013-01-01 | @2012-01-01).min()", ["2012-01-01"]),
    ("(1 | 2).avg()", [Decimal("1.5")]),
    ("@2025-01-02.duration(@2025-01-07, 'week')", [0]),
    ("@2024-12-01.duration(@2025-09-01, 'year')", [0]),
    ("@2025-01-31.duration(@2024-01-31, 'month')", [-12]),
    ("@T10:30.duration(@T12:29, 'hour')", [1]),
    ("@2025-01-02.difference(@2025-01-07, 'week')", [1]),
    ("@2024-12-01.difference(@2025-09-01, 'year')", [1]),
    ("@2012-01-01T12:30:00.002-07:00.millisecondOf()", [2]),
    ("@2012-01-01T12:30:00.000+08:45.timezoneOffsetOf()", [Decimal("8.75")]),
    ("@2012-01-01T12:30:00.000-07:00.timeOf()", ["12:30:00.000"]),
    ("@2012-01-01T12:30:00.000-07:00.dateOf()", ["2012-01-01"]),
    ("(-1.587).highBoundary(0)", [-1]),
    ("100.precision()", [0]),
    ("{}.iif(true, 'yes', 'no')", ["yes"]),
    ("Patient.birthDate.iif(exists(), toString(), '(unknown)')", ["1974-12-25"]),
    ("name.take(2).given.combine(name.family)", ["Peter", "James", "Jim", "Chalmers", "Windsor"]),
    ("name.select(given | family).distinct().count()", [5]),
    ("coalesce(name.suffix, name.first().family)", ["Chalmers"]),
    ("Patient.birthDate.substring(0, 4)", ["1974"]),
    ("defineVariable('v', 'x').select(%v)", ["x"]),
    ("name.take(1).select(defineVariable('g', given.first()).select(%g & '!'))", ["Peter!"]),
    (
        "defineVariable('r', 'r-').select(defineVariable('a', 'a').defineVariable('b', 'b')"
        ".select(%a | %b)).select(%r & $this)",
        ["r-a", "r-b"],
    ),
    ("1.type()", [{"namespace": "System", "name": "Integer"}]),
    ("Patient.name.first().type().name", ["HumanName"]),
    ("Patient.name[1].given[0]", ["Jim"]),
    ("Patient.name[9]", []),
]  # fmt: skip

WRONG = """
    'a' + 1
    1 & 2
    1 < 'a'
    -'a'
    true > false
    Patient.name.single()
    Patient.name.as(HumanName)
    Patient.name.given.toString()
    Patient.name.where(given)
    (1 | 2) in (1 | 2)
    1.round(-1)
    (-1).log(2)
    'a'.matches('(')
    'a'.matches('a', 'x')
    @T10:00 + 1 month
    @2014-01-01 + 1 'a'
    @2014-01-01 + 1 'cm'
    @9999-12-31 + 1 year
    @2014-13-01
    @2014-02-30
    @T25:00
    'a\\qb'
    1.5 year2
    (1 | 'a').sum()
    defineVariable('v', 1).defineVariable('v', 2)
    defineVariable('context', 2)
    defineVariable('v', 1) | %v
    Patient.name.repeatAll('x')
    (1|2|3|4|5|6|7|8|9).aggregate($total & $total & $total & $total & $total & $total, 'abcdefgh')
    %unknown
    name.
    name[
    (name
    name given
    div
    Patient.unknown
    Observation.value
    Patient.name.unknown()
    Patient.name.is(Unknown)
    Patient.name.ofType(Nothing.Patient)
    Patient.name.exists(1, 2)
"""


def rows(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


@pytest.mark.parametrize("expression", rows(TRUE))
def test_true(expression: str) -> None:
    assert evaluate(expression, PATIENT) == [True]


@pytest.mark.parametrize("expression", rows(FALSE))
def test_false(expression: str) -> None:
    assert evaluate(expression, PATIENT) == [False]


@pytest.mark.parametrize("expression", rows(NOTHING))
def test_empty(expression: str) -> None:
    assert evaluate(expression, PATIENT) == EMPTY


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_values(expression: str, expected: list[Any]) -> None:
    found = evaluate(expression, PATIENT)
    for place, item in enumerate(found):
        if isinstance(item, dict) and "unit" in item:
            found[place] = {"value": item["value"], "unit": item["unit"]}
    assert found == expected


@pytest.mark.parametrize("expression", rows(WRONG))
def test_errors(expression: str) -> None:
    with pytest.raises(FhirPathError):
        evaluate(expression, PATIENT)
