"""Formats of the primitive types: what R4 allows, and the nearest things that it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.definitions import load
from fhir_server.fhir.primitives import CHECKS, EXPECTED, JSON_TYPES, parse_instant_range

HOUR = 3_600_000_000
DAY = 24 * HOUR

# fmt: off
GOOD: dict[str, list[Any]] = {
    "base64Binary": ["AAAA", "AAA=", "AA==", "AA AA\nAAAA", "+/+/"],
    "boolean": [True, False],
    "canonical": ["http://a.org/b|1.0", "#c", "urn:oid:1.2"],
    "code": ["a", "a b", "<=", "é"],
    "date": ["2024", "2024-02", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": [
        "1973",
        "1905-08",
        "2018-12-25",
        "2015-02-07T13:28:17-05:00",
        "2016-12-31T23:59:60Z",
        "2024-02-29T00:00:00.123456789Z",
        "2015-02-07T13:28:17+14:00",
    ],
    "decimal": [0, -1, Decimal("1.50"), Decimal("1e-3"), 10**30],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z"],
    "integer": [0, -2147483648, 2147483647],
    "markdown": ["# a\n\nb", "a"],
    "oid": ["urn:oid:1.2.3", "urn:oid:2.16.840.1.113883", "urn:oid:0.0"],
    "positiveInt": [1, 2147483647],
    "string": ["a", " a ", "a\tb\r\nc", "é", "\U0001f600", "x" * 1048576, "\x7f", "\u200b"],
    "time": ["00:00:00", "23:59:59.999", "12:00:60"],
    "unsignedInt": [0, 2147483647],
    "uri": ["http://a", "urn:uuid:A", "a/b", "http://é.org"],
    "url": ["http://a", "mailto:a@b"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
}
BAD: dict[str, list[Any]] = {
    "base64Binary": ["", "AAA", "A===", "AA=A", "AA-_", "====", 1],
    "boolean": ["true", 1, 0, None],
    "canonical": ["", "http://a b", "http://a ", 1],
    "code": ["", " a", "a ", "a  b", "a\tb", "a\nb", 1, "\ud800"],
    "date": [
        "2023-02-29",
        "1900-02-29",
        "2024-02-30",
        "2024-04-31",
        "2024-13",
        "2024-00",
        "0000",
        "2024-1-1",
        "24",
        "2024-01-01T00:00:00Z",
        "2024-01-32",
        "2024-01-00",
        " 2024",
        "2024\n",
        "２０２４",
        2024,
        "",
    ],
    "dateTime": [
        "2015-02-07T13:28:17",
        "2015-02-07T13:28Z",
        "2015-02-07T24:00:00Z",
        "2015-02-30T13:28:17Z",
        "2015-02-07T13:28:17+14:01",
        "2015-02-07T13:28:17+15:00",
        "2015-02-07 13:28:17Z",
        "2015-02-07T13:28:61Z",
        "2015-02T13:28:17Z",
        "2015-02-07T13:28:17.Z",
        "2015-02-07T",
        "2015-02-07t13:28:17z",
        "2015-02-07T13:60:00Z",
    ],
    "decimal": ["1.0", True, None, "", 1.5],
    "id": ["", "x" * 65, "a_b", "a/b", "a b", "é", "a\n", 1],
    "instant": ["2015-02-07", "2015", "2015-02-07T13:28:17", "2015-02-29T13:28:17Z"],
    "integer": [2147483648, -2147483649, True, "1", Decimal("1.0"), Decimal("1e2")],
    "markdown": ["", " \n", "\x00"],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1.2.", "urn:oid:1..2"],
    "positiveInt": [0, -1, 2147483648, "1"],
    "string": ["", " ", "\t\n", "a\x00", "\x0b", "a\x1f", "\ud800", "x" * 1048577, 1, True, None],
    "time": ["24:00:00", "12:00", "12:60:00", "12:00:61", "1:00:00", "12:00:00Z"],
    "unsignedInt": [-1, 2147483648, True],
    "uri": ["", "a b", " a", "a\n", "\x01", 1],
    "url": ["", "http://a b"],
    "uuid": [
        "c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "urn:uuid:c757873d-ec9a-4326-a141",
        "urn:uuid:c757873dec9a4326a141556f43239520",
    ],
}
# fmt: on


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, vs in GOOD.items() for v in vs])
def test_a_right_value_passes(type_: str, value: Any) -> None:
    assert CHECKS[type_](value)


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, vs in BAD.items() for v in vs])
def test_a_wrong_value_is_seen(type_: str, value: Any) -> None:
    assert not CHECKS[type_](value)


def test_every_primitive_type_of_r4_has_a_check_and_a_text() -> None:
    primitives = {t.name for t in load().types.values() if t.kind == "primitive-type"}
    assert set(EXPECTED) == set(JSON_TYPES) == primitives
    assert set(CHECKS) == primitives - {"xhtml"}
    assert set(GOOD) == set(BAD) == set(CHECKS)


@given(st.dates())
def test_every_calendar_day_is_a_date_and_the_day_after_the_last_is_not(day: Any) -> None:
    assert CHECKS["date"](day.isoformat())
    low, high = parse_instant_range(day.isoformat())
    assert high - low == 86_400_000_000 - 1
    assert low == int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("text", "low", "after"),
    [
        ("2013", "2013-01-01T00:00:00+00:00", "2014-01-01T00:00:00+00:00"),
        ("2013-12", "2013-12-01T00:00:00+00:00", "2014-01-01T00:00:00+00:00"),
        ("2012-02-29", "2012-02-29T00:00:00+00:00", "2012-03-01T00:00:00+00:00"),
        ("2013-01-14T10:00", "2013-01-14T10:00:00+00:00", "2013-01-14T10:01:00+00:00"),
        ("2013-01-14T10:00+02:00", "2013-01-14T08:00:00+00:00", "2013-01-14T08:01:00+00:00"),
        ("2013-01-14T10:00:00-05:30", "2013-01-14T15:30:00+00:00", "2013-01-14T15:30:01+00:00"),
        ("2013-01-14T10:00:00.5Z", "2013-01-14T10:00:00.5+00:00", "2013-01-14T10:00:00.6+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00"),
        ("1969-12-31", "1969-12-31T00:00:00+00:00", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_precision_decides_the_range(text: str, low: str, after: str) -> None:
    assert parse_instant_range(text) == (at(low), at(after) - 1)


def test_fractions_beyond_the_microsecond_are_cut() -> None:
    low, high = parse_instant_range("1970-01-01T00:00:00.123456789Z")
    assert (low, high) == (123456, 123456)


def test_a_zone_counts_only_where_the_text_has_none() -> None:
    paris = ZoneInfo("Europe/Paris")
    low, high = parse_instant_range("2024-03-31", paris)
    assert (low, high) == (at("2024-03-31T00:00:00+01:00"), at("2024-04-01T00:00:00+02:00") - 1)
    assert parse_instant_range("2024-03-31T12:00:00Z", paris)[0] == at("2024-03-31T12:00:00+00:00")


def test_the_ends_of_the_calendar_have_ranges() -> None:
    paris = ZoneInfo("Europe/Paris")
    for text in ("0001", "0001-01-01", "9999", "9999-12", "9999-12-31"):
        for zone in (UTC, paris):
            low, high = parse_instant_range(text, zone)
            assert low < high


@pytest.mark.parametrize("text", ["", "x", "2013-02-30", "2013-1", "0000", "2013-01-14T10", "now"])
def test_what_is_no_date_raises(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        parse_instant_range(text)


@pytest.mark.parametrize(
    "text",
    [
        *("2020-W01-1T08:12:00Z", "20200304T08:12:00.1Z", "2020-03-04T081200.1Z"),
        *("2020-03-04T08:12+01Z", "2020-03-04T08:12:00+01:60", "2020-03-04T08:12:00+14:01"),
        *("2020-03-04T24:00:00Z", "2020-03-04T08:12:61Z", "2020-02-30T08:12:00Z"),
        *("0000-01-01T00:00:00Z", "2020-03-04 08:12:00Z", "2020-03-04T08:12:00z"),
        *("2020-03-04T08:12:0\u0662Z", "2020-03-04T08-12:00Z", "2020-03-04T08:12:00,5Z"),
    ],
)
def test_what_only_datetime_reads_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        parse_instant_range(text)


@pytest.mark.parametrize(
    ("text", "low"),
    [
        ("1970-01-02T00:00:00Z", DAY),
        ("1970-01-01T00:00:00+14:00", -14 * HOUR),
        ("1969-12-31T23:59:59-00:30", HOUR // 2 - 1_000_000),
        ("1970-01-01T00:00:60Z", 60_000_000),
        ("0001-01-01T00:00:00+14:00", -719_162 * DAY - 14 * HOUR),
    ],
)
def test_a_second_with_its_zone(text: str, low: int) -> None:
    assert parse_instant_range(text) == (low, low + 999_999)
