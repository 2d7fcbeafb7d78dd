"""What one value of a resource must be to meet one value of a search, read off the specification.

Plain and slow, and without a line of `fhir_server.search`: https://hl7.org/fhir/R4/search.html.
A value of a resource comes as (FHIR type, JSON). Ends of intervals are pairs (number, side): the
side is -1 just below the number, 0 at it, 1 just above, so that pairs compare as they should.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fhir_server.fhir import ucum

End = tuple[Any, int]
Interval = tuple[End, End]

INFINITE = Decimal("Infinity")
UCUM = "http://unitsofmeasure.org"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CASELESS = ("urn:ietf:bcp:13", "urn:ietf:bcp:47", "urn:iso:std:iso:3166")
NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


class Refused(Exception):
    """The server must answer 400."""


def cut(text: str, sign: str) -> list[str]:
    """The parts between signs that are not escaped, without their escapes."""
    parts = re.split(rf"(?<!\\)((?:\\\\)*){re.escape(sign)}", text)
    joined = [parts[0]]
    for backslashes, rest in zip(parts[1::2], parts[2::2], strict=True):
        joined[-1] += backslashes
        joined.append(rest)
    return [re.sub(r"\\([\\,$|])", r"\1", part) for part in joined]


# Strings


def plain(text: str) -> str:
    """Without case, marks and punctuation; white space as one blank."""
    text = re.sub("['’ʼ`´]", "", text.casefold())
    text = unicodedata.normalize("NFKD", text).casefold().replace("ı", "i")
    kept = [sign for sign in text if unicodedata.category(sign) != "Mn"]
    blanks = [" " if unicodedata.category(sign)[0] in "PZC" else sign for sign in kept]
    return re.sub(" +", " ", "".join(blanks)).strip(" ")


def texts(type_: str, value: Any) -> Iterator[str]:
    """The texts that a string parameter sees in a value."""
    if isinstance(value, str):
        yield value
        return
    parts = {"HumanName": NAME_PARTS, "Address": ADDRESS_PARTS}.get(type_, ())
    for part in parts:
        found = value.get(part)
        yield from [one for one in found if one] if isinstance(found, list) else [found or ""]


def string(type_: str, value: Any, modifier: str, wanted: str) -> bool:
    """https://hl7.org/fhir/R4/search.html#string"""
    wanted = cut(wanted, "\0")[0]
    if modifier != "exact" and not plain(wanted):
        raise Refused(wanted)
    for text in texts(type_, value):
        if not text:
            continue
        if modifier == "exact":
            if unicodedata.normalize("NFC", text) == unicodedata.normalize("NFC", wanted):
                return True
        elif modifier == "contains":
            if plain(wanted) in plain(text):
                return True
        elif plain(text).startswith(plain(wanted)):
            return True
    return False


# Tokens


def codings(type_: str, value: Any) -> list[tuple[str | None, str | None]]:
    """(system, code) of a value."""
    match type_:
        case "CodeableConcept":
            return [(one.get("system"), one.get("code")) for one in value.get("coding", ())]
        case "Coding":
            return [(value.get("system"), value.get("code"))]
        case "Identifier":
            return [(value.get("system"), value.get("value"))]
        case "ContactPoint":
            return [(None, value.get("value"))]
        case "boolean":
            return [(None, "true" if value else "false")]
        case _:
            return [(None, str(value))] if not isinstance(value, dict) else []


def token(type_: str, value: Any, modifier: str, wanted: str, caseless: bool = False) -> bool:
    """https://hl7.org/fhir/R4/search.html#token (`:not` is the caller's)."""
    if modifier == "text":
        shown = [value.get("text"), value.get("display")] if isinstance(value, dict) else []
        if isinstance(value, dict):
            shown += [one.get("display") for one in value.get("coding", ())]
            if type_ == "Identifier":
                shown = [value.get("type", {}).get("text")]
        return any(text and string("string", text, "", wanted) for text in shown)
    parts = cut(wanted, "|")
    if modifier == "of-type":
        if len(parts) != 3 or not all(parts):
            raise Refused(wanted)
        kinds = value.get("type", {}).get("coding", ()) if type_ == "Identifier" else ()
        return any(
            [kind.get("system"), kind.get("code"), value.get("value")] == parts for kind in kinds
        )
    if len(parts) > 2 or not any(parts):
        raise Refused(wanted)
    for system, code in codings(type_, value):
        folds = caseless or system in CASELESS

        def same(left: str | None, right: str, folds: bool = folds) -> bool:
            return left is not None and (left.lower() == right.lower() if folds else left == right)

        if len(parts) == 1:
            if same(code, parts[0]):
                return True
        elif (system or "") == parts[0] and (not parts[1] or same(code, parts[1])):
            return True
    return False


# Ordered values


def meets(prefix: str, resource: Interval, wanted: Interval, around: Any = 0) -> bool:
    """https://hl7.org/fhir/R4/search.html#prefix: resource and wanted are closed intervals."""
    (low, high), (first, last) = resource, wanted
    inside = first <= low and high <= last
    match prefix:
        case "eq":
            return inside
        case "ne":
            return not inside
        case "gt":
            return high > last
        case "lt":
            return low < first
        case "ge":
            return high > last or inside
        case "le":
            return low < first or inside
        case "sa":
            return low > last
        case "eb":
            return high < first
        case _:
            return low <= (last[0] + around, last[1]) and high >= (first[0] - around, first[1])


def prefixed(text: str) -> tuple[str, str]:
    """Prefix and rest."""
    known = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
    return (text[:2], text[2:]) if text[:2] in known else ("eq", text)


DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def moments(text: str) -> tuple[int, int]:
    """First and last microsecond since 1970 that the text may mean; dates without zone in UTC."""
    match = DATE.fullmatch(text)
    if match is None:
        raise Refused(text)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        start = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            int(second or 0), tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        raise Refused(text) from None
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        start += offset if zone[0] == "-" else -offset
    low = (start - EPOCH) // timedelta(microseconds=1)
    if fraction:
        low += int((fraction + "000000")[:6])
        return low, low + 10 ** max(0, 6 - len(fraction)) - 1
    days = 0
    if not month:
        days = 366 if calendar.isleap(int(year)) else 365
    elif not day:
        days = calendar.monthrange(int(year), int(month))[1]
    elif not hour:
        days = 1
    seconds = days * 86_400 or (1 if second else 60)
    return low, low + seconds * 1_000_000 - 1


def spans(type_: str, value: Any) -> list[Interval]:
    """The times that a date parameter sees in a value."""
    if isinstance(value, str):
        if type_ not in ("date", "dateTime", "instant"):
            return []  # Immunization.occurrenceString
        low, high = moments(value)
        return [((low, 0), (high, 0))]
    if type_ == "Period":
        start: Any = moments(value["start"])[0] if "start" in value else -INFINITE
        end: Any = moments(value["end"])[1] if "end" in value else INFINITE
        return [((min(start, end), 0), (max(start, end), 0))]
    found = [span for event in value.get("event", ()) for span in spans("dateTime", event)]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds:
        found += spans("Period", bounds)
    return [(min(low for low, _ in found), max(high for _, high in found))] if found else []


def date(type_: str, value: Any, wanted: str, now: int) -> bool:
    """https://hl7.org/fhir/R4/search.html#date"""
    prefix, text = prefixed(wanted)
    first, last = moments(text)  # also where there is nothing to compare with: it may be no date
    around = max(0, now - last, first - now) // 10
    return any(meets(prefix, span, ((first, 0), (last, 0)), around) for span in spans(type_, value))


def digits(text: str) -> tuple[Decimal, Decimal]:
    """A number and half of what its last digit leaves open; `1e2` leaves 5 open."""
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text):
        raise Refused(text)
    value = Decimal(text)
    exponent = int(value.as_tuple().exponent)
    return value, Decimal(5).scaleb((exponent - 1 if exponent > 0 else exponent) - 1)


def amount(prefix: str, text: str, resource: Interval, convert: Any = None) -> bool:
    """Whether an interval of numbers meets a number; `convert` takes both to a common unit."""
    exact, half = digits(text)
    convert = convert or (lambda number: number)
    if prefix in ("eq", "ne"):
        wanted = (convert(exact - half), 0), (convert(exact + half), -1)
    elif prefix == "ap":
        around = max(abs(exact) / 10, half)
        wanted = (convert(exact - around), 0), (convert(exact + around), 0)
    else:
        wanted = (convert(exact), 0), (convert(exact), 0)
    return meets(prefix, resource, wanted)


def number(type_: str, value: Any, wanted: str) -> bool:
    """https://hl7.org/fhir/R4/search.html#number"""
    prefix, text = prefixed(wanted)
    if type_ == "Range":
        low = Decimal(value.get("low", {}).get("value", -INFINITE))
        high = Decimal(value.get("high", {}).get("value", INFINITE))
        return amount(prefix, text, ((low, 0), (high, 0)))
    return amount(prefix, text, ((Decimal(value), 0), (Decimal(value), 0)))


def measures(type_: str, value: dict[str, Any]) -> list[tuple[Interval, dict[str, Any]]]:
    """The intervals of a Quantity or what is like one, each with what has its unit."""
    if type_ == "Range":
        low, high = value.get("low"), value.get("high")
        unit = low or high or {}
        if (
            low
            and high
            and [low.get(k) for k in ("system", "code", "unit")]
            != [high.get(k) for k in ("system", "code", "unit")]
        ):
            raise NotImplementedError("a Range in two units")
        least = Decimal(low["value"]) if low and "value" in low else -INFINITE
        most = Decimal(high["value"]) if high and "value" in high else INFINITE
        return [(((least, 0), (most, 0)), unit)] if unit else []
    if type_ == "SampledData":
        origin = value["origin"]
        factor, base = Decimal(value.get("factor", 1)), Decimal(origin.get("value", 0))
        points = [Decimal(one) * factor + base for one in re.findall(r"-?\d[^ ]*", value["data"])]
        if re.search("[LU]", value["data"]):
            raise NotImplementedError("limits of SampledData")
        return [(((min(points), 0), (max(points), 0)), origin)] if points else []
    if "value" not in value:
        return []
    if type_ == "Money":
        value = {**value, "system": "urn:iso:std:iso:4217", "code": value.get("currency")}
    exact = Decimal(value["value"])
    low_end, high_end = (exact, 0), (exact, 0)
    match value.get("comparator"):
        case "<":
            low_end, high_end = (-INFINITE, 0), (exact, -1)
        case "<=":
            low_end = (-INFINITE, 0)
        case ">=":
            high_end = (INFINITE, 0)
        case ">":
            low_end, high_end = (exact, 1), (INFINITE, 0)
    return [((low_end, high_end), value)]


def quantity(type_: str, value: Any, wanted: str) -> bool:
    """https://hl7.org/fhir/R4/search.html#quantity"""
    parts = cut(wanted, "|")
    if len(parts) not in (1, 3) or (len(parts) == 3 and not parts[2]):
        raise Refused(wanted)
    prefix, text = prefixed(parts[0])
    digits(text)
    if not isinstance(value, dict):
        value, type_ = {"value": value}, "Quantity"
    for interval, unit in measures(type_, value):
        if len(parts) == 1:
            if amount(prefix, text, interval):
                return True
            continue
        system, code = parts[1:]
        if not system:
            if code in (unit.get("code"), unit.get("unit")) and amount(prefix, text, interval):
                return True
            continue
        base = ucum.canonical(Decimal(1), code) if system == UCUM else None
        if base is None:
            if (unit.get("system"), unit.get("code")) == (system, code) and amount(
                prefix, text, interval
            ):
                return True
            continue
        own = unit.get("code") if unit.get("system") == UCUM else None
        if own is None or (ucum.canonical(Decimal(1), own) or ("", ""))[1] != base[1]:
            continue
        (low, low_side), (high, high_side) = interval
        common = (_base(low, own), low_side), (_base(high, own), high_side)
        if amount(prefix, text, common, lambda bound, code=code: _base(bound, code)):
            return True
    return False


def _base(bound: Decimal, code: str) -> Decimal:
    found = ucum.canonical(bound, code) if bound.is_finite() else (bound, "")
    if found is None:
        raise Refused(f"{bound} {code}")
    return found[0]


# URIs and references


def uri(type_: str, value: str, modifier: str, wanted: str) -> bool:
    """https://hl7.org/fhir/R4/search.html#uri"""
    wanted = cut(wanted, "\0")[0]
    if modifier == "below" and "://" in wanted:
        return value == wanted or value.startswith(wanted if wanted[-1] == "/" else wanted + "/")
    if modifier == "above" and "://" in wanted:
        return wanted == value or (
            "://" in value
            and len(value) > value.index("://") + 3
            and wanted.startswith(value if value[-1] == "/" else value + "/")
        )
    return value == wanted or (type_ == "canonical" and value.partition("|")[0] == wanted)


def local(reference: str, base: str) -> str:
    """The reference as the server itself would write it."""
    return reference.removeprefix(base + "/")


def reference(
    type_: str, value: Any, modifier: str, wanted: str, targets: tuple[str, ...], base: str
) -> bool:
    """https://hl7.org/fhir/R4/search.html#reference"""
    if modifier == "identifier":
        known = value.get("identifier") if type_ == "Reference" else None
        return known is not None and token("Identifier", known, "", wanted)
    wanted = local(cut(wanted, "\0")[0], base)
    if isinstance(value, str):  # a canonical or a uri
        whole = value.partition("#")[0]
        if modifier == "below" and "|" in wanted:
            return wanted == whole or whole.startswith(wanted + ".")
        return wanted in (value, whole, whole.partition("|")[0])
    if type_ != "Reference":  # the resource itself, of a Bundle
        found = f"{value['resourceType']}/{value['id']}" if "id" in value else "#"
    else:
        found = local(value.get("reference", "#"), base)
    if found.startswith("#"):
        return False
    if not re.search("[:/|]", wanted):
        # an id: of a resource here, of any type that the parameter may lead to
        target = re.fullmatch(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]+)(/_history/.+)?", found)
        types = (modifier,) if modifier else targets
        return target is not None and target[2] == wanted and target[1] in types
    if modifier and not re.search(rf"(^|/){modifier}/[A-Za-z0-9.-]+(/_history/.+)?$", wanted):
        raise Refused(wanted)
    return wanted in (found, found.partition("/_history/")[0])
