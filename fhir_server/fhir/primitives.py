"""Primitive types of R4: exact format checks, and dates as ranges of instants.

https://hl7.org/fhir/R4/datatypes.html#primitive. Values are as JSON decodes them: `str`, `bool`,
`int`, and `Decimal` for numbers with a fraction or an exponent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

__all__ = ["CHECKS", "EXPECTED", "JSON_TYPES", "TEXT", "parse_instant_range"]

MAX_STRING = 1024 * 1024
MAX_INTEGER = 2**31 - 1

# The calendar as a regular expression: one pass in C is cheaper than parsing numbers.
_YEAR = r"(?!0000)[0-9]{4}"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE = rf"(?:{_DAY}|{_YEAR}(?:-(?:0[1-9]|1[0-2]))?)"
# Characters below 32 are not allowed in any string; lone surrogates are no characters at all.
_VISIBLE = r"[^\x00-\x20\ud800-\udfff]"

_is_date = re.compile(_DATE).fullmatch
_is_date_time = re.compile(rf"{_DAY}(?:T{_TIME}{_ZONE})?|{_DATE}").fullmatch
_is_instant = re.compile(rf"{_DAY}T{_TIME}{_ZONE}").fullmatch
_is_time = re.compile(_TIME).fullmatch
_is_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_is_code = re.compile(rf"{_VISIBLE}+(?: {_VISIBLE}+)*").fullmatch
_is_uri = re.compile(rf"{_VISIBLE}+").fullmatch
_is_oid = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_is_uuid = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_is_base64 = re.compile(r"[A-Za-z0-9+/]++={0,2}").fullmatch
_forbidden = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]").search
_white = str.maketrans("", "", " \t\r\n")


def _string(value: str) -> bool:
    if value.isprintable():
        return 0 < len(value) <= MAX_STRING and not value.isspace()
    return len(value) <= MAX_STRING and not value.isspace() and not _forbidden(value)


def _base64(value: str) -> bool:
    if _is_base64(value):
        return len(value) % 4 == 0
    bare = value.translate(_white)
    return len(bare) % 4 == 0 and _is_base64(bare) is not None


TEXT: dict[str, Callable[[str], Any]] = {
    "base64Binary": _base64,
    "canonical": _is_uri,
    "code": _is_code,
    "date": _is_date,
    "dateTime": _is_date_time,
    "id": _is_id,
    "instant": _is_instant,
    "markdown": _string,
    "oid": _is_oid,
    "string": _string,
    "time": _is_time,
    "uri": _is_uri,
    "url": _is_uri,
    "uuid": _is_uuid,
}
"""Types that JSON carries as text -> what is true of a well-formed one."""


def _text(type_: str) -> Callable[[Any], bool]:
    matches = TEXT[type_]
    return lambda value: type(value) is str and bool(matches(value))


def _integer(low: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= MAX_INTEGER


def _decimal(value: Any) -> bool:
    return isinstance(value, Decimal) or type(value) is int


CHECKS: dict[str, Callable[[Any], bool]] = {type_: _text(type_) for type_ in TEXT} | {
    "boolean": lambda value: value is True or value is False,
    "decimal": _decimal,
    "integer": _integer(-MAX_INTEGER - 1),
    "positiveInt": _integer(1),
    "unsignedInt": _integer(0),
}
"""Type -> whether a decoded JSON value is one, in JSON type and format. `xhtml` lies apart."""

_TEXT = "text, not empty, not only white space, no control characters, 1 MB at most"

EXPECTED: dict[str, str] = {
    "base64Binary": "base64 (RFC 4648) with its padding",
    "boolean": "true or false without quotes",
    "canonical": "a canonical url without spaces, such as http://example.org/fhir/ValueSet/a|1.0",
    "code": "a code without white space but single spaces inside",
    "date": "a real calendar date: YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, on a real day",
    "decimal": "a number without quotes",
    "id": "1 to 64 of the letters A-Z and a-z, digits, '-' and '.'",
    "instant": "YYYY-MM-DDThh:mm:ss.sss with Z or +hh:mm, on a real day",
    "integer": "a whole number from -2147483648 to 2147483647, without quotes or fraction",
    "markdown": _TEXT,
    "oid": "an OID such as urn:oid:1.2.3",
    "positiveInt": "a whole number from 1 to 2147483647, without quotes or fraction",
    "string": _TEXT,
    "time": "hh:mm:ss from 00:00:00 to 23:59:59, without zone",
    "unsignedInt": "a whole number from 0 to 2147483647, without quotes or fraction",
    "uri": "a URI without spaces, not empty",
    "url": "a URL without spaces, not empty",
    "uuid": "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "xhtml": "an XHTML <div> as text",
}
"""Type -> what a value of it looks like, for messages."""

JSON_TYPES: dict[str, str] = dict.fromkeys(EXPECTED, "string") | {
    "boolean": "boolean",
    "decimal": "number",
    "integer": "number",
    "positiveInt": "number",
    "unsignedInt": "number",
}
"""Type -> the JSON type that carries it."""

_parts = re.compile(
    rf"(?:({_DAY})(?:T([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]|60)(?:\.([0-9]+))?)?({_ZONE})?)?"
    rf"|({_YEAR})(?:-(0[1-9]|1[0-2]))?)"
).fullmatch
_SECOND = 1_000_000
_DAY_LENGTH = 86_400 * _SECOND
_EPOCH = date(1970, 1, 1).toordinal()
# Zones have no rule beyond what datetime can hold.
_FIRST = (date.min.toordinal() - _EPOCH) * 86_400
_LAST = (date.max.toordinal() - _EPOCH) * 86_400
_BEGIN = datetime(1970, 1, 1)
_AHEAD = {"Z": 0} | {
    f"{sign}{minutes // 60:02}:{minutes % 60:02}": way * minutes * 60 * _SECOND
    for sign, way in (("+", 1), ("-", -1))
    for minutes in range(14 * 60 + 1)
}
"""Zone -> microseconds that its clocks are ahead of UTC: of `+01:00` those of an hour."""


def parse_instant_range(text: str, zone: tzinfo = UTC) -> tuple[int, int]:
    """First and last microsecond since 1970 UTC of a date, dateTime or instant.

    The text's precision decides: `2013` is the whole year, `10:00:00.5` a tenth of a second. A
    time may stop at the minute, as in searches. `zone` counts where the text has none. Raises
    ValueError where the text is no such date.
    """
    if (instant := _instant(text)) is not None:
        return instant, instant + _SECOND - 1
    match = _parts(text)
    if match is None:
        raise ValueError(f"'{text}' is no date: {EXPECTED['dateTime']}")
    day, hour, minute, second, fraction, offset, year, month = match.groups()
    if day is None:
        if month is None:
            low, high = _midnight(int(year), 1), _midnight(int(year), 13)
        else:
            low, high = _midnight(int(year), int(month)), _midnight(int(year), int(month) + 1)
        return _at(low, zone), _at(high, zone) - 1
    days = (date.fromisoformat(day).toordinal() - _EPOCH) * _DAY_LENGTH
    if hour is None:
        return _at(days, zone), _at(days + _DAY_LENGTH, zone) - 1
    low = days + (int(hour) * 60 + int(minute)) * 60 * _SECOND
    length = 60 * _SECOND
    if second is not None:
        low += int(second) * _SECOND
        length = _SECOND
        if fraction is not None:
            digits = len(fraction[:6])
            low += int(fraction[:6]) * 10 ** (6 - digits)
            length = int(10 ** (6 - digits))
    low = _at(low, zone) if offset is None else low - _AHEAD[offset]
    return low, low + length - 1


def _instant(text: str) -> int | None:
    """The instant where the text is `YYYY-MM-DDThh:mm:ss` with a zone; None for most others.

    Nearly all times in records are of this form, and `datetime` reads it for a third of what the
    expression costs that knows all forms.
    """
    ahead = _AHEAD.get(text[19:])
    if ahead is None or text[16] != ":" or text[13] != ":" or text[10] != "T" or text[7] != "-":
        return None  # in no other form that `datetime` reads all these stand there
    try:
        since = datetime.fromisoformat(text[:19]) - _BEGIN
    except ValueError:
        return None
    return (since.days * 86_400 + since.seconds) * _SECOND - ahead


def _midnight(year: int, month: int, day: int = 1) -> int:
    """Microseconds from 1970 to the day's begin; month 13 is the next January (of 10000 too)."""
    if month == 13:
        return _midnight(year, 12, 31) + _DAY_LENGTH
    return (date(year, month, day).toordinal() - _EPOCH) * _DAY_LENGTH


def _at(local: int, zone: tzinfo) -> int:
    """The instant of a local time in a zone."""
    if zone is UTC:
        return local
    seconds = min(max(local // _SECOND, _FIRST), _LAST)
    offset = zone.utcoffset(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))
    return local - (int(offset.total_seconds()) * _SECOND if offset else 0)
