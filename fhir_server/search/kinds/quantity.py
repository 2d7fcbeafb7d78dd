"""Quantities: https://hl7.org/fhir/R4/search.html#quantity.

Every value has two rows in `r`: `code` for the bare number in any unit, which names the code and
the unit as they are (`w`), and either `code|canonical` in canonical UCUM units (so that pounds find
kilograms) or `code|system|code` where the unit is of another system or none that UCUM knows.
A comparator (`<` 5) opens the value at that side; a Range reaches from low to high, SampledData
from its least to its greatest point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fhir_server.errors import MalformedRequest
from fhir_server.fhir.ucum import canonical
from fhir_server.search.collector import Collector, shortened
from fhir_server.search.intervals import Row, Wanted, over_ranges
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.kinds.number import number, ways
from fhir_server.search.values import any_of, missing, parts, prefixed, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

UCUM = "http://unitsofmeasure.org"
CURRENCIES = "urn:iso:std:iso:4217"


class Quantity:
    """The kind of parameters of type `quantity`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code = parameter.code
        out.seen[code] = None
        for node in nodes:
            out.add_rows(code, rows(node), 0)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return missing(parameter.code, parameter.stored, values)
        if modifier:
            raise unsupported(parameter.code, "quantity", modifier, ())
        filters = []
        for value in values:
            suffix, found = self.component_ways(parameter, value, context)
            filters.append(over_ranges([name + suffix for name in parameter.stored], found))
        return any_of(filters)

    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> Sequence[Row]:
        """The ordered values of the node in a composite."""
        return rows(node)

    def component_ways(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> tuple[str, list[Wanted]]:
        """What a composite's ordered value must be under which suffix."""
        found = [unescape(part) for part in parts(value, "|")]
        if len(found) not in (1, 3) or (len(found) == 3 and not found[2]):
            raise MalformedRequest(
                f"{parameter.code}={shown(value)} is no quantity: write number, number|system|code "
                "or number||code, with a prefix such as gt before it"
            )
        prefix, text = prefixed(found[0])
        exact, half = number(parameter.code, text)
        if len(found) == 1:
            return "", ways(prefix, exact, half, lambda bound: bound)
        system, code = found[1:]
        if not system:
            found_ways = ways(prefix, exact, half, lambda bound: bound)
            return "", [way._replace(names=(_unit_name(code),)) for way in found_ways]
        unit = _canonical_unit(code) if system == UCUM else None
        if unit is None:
            return _suffix(system, code), ways(prefix, exact, half, lambda bound: bound)
        return f"|{unit}", ways(prefix, exact, half, lambda bound: _converted(bound, code))

    width = 0


def rows(node: Node) -> Sequence[Row]:
    """The ordered values of a Quantity or what is like one, per way to name its unit."""
    type_, value = node
    if type_ != "Quantity":  # which nearly all are
        if not isinstance(value, dict):
            number = isinstance(value, (int, Decimal))
            return [("", float(value), float(value), ())] if number else []
        if type_ == "Range":
            return _of_range(value)
        if type_ == "SampledData":
            return _of_samples(value)
        if type_ == "Money":
            unit = {"code": value.get("currency"), "system": CURRENCIES}
            value = {"value": value.get("value"), **unit}
    get = value.get
    amount = get("value")
    if amount is None:
        return []
    unit_ = _unit_of(get("system"), get("code"), get("unit"))
    comparator = get("comparator")
    if comparator is None:
        return _rows_of_one(amount, unit_)
    return _rows_of(amount, amount, unit_, comparator)


def _of_range(value: dict[str, Any]) -> Sequence[Row]:
    low, high = value.get("low", {}), value.get("high", {})
    unit = low or high
    if "value" not in low and "value" not in high:
        return []
    if low and high and _measured_in(low) != _measured_in(high):
        ends = {suffix: end for suffix, _, end, _ in _rows(high["value"], high["value"], high, "")}
        return [
            (suffix, start, ends[suffix], ())
            for suffix, start, _, _ in _rows(low["value"], low["value"], low, "")
            if suffix in ends and suffix
        ]
    return _rows(low.get("value"), high.get("value"), unit, "")


def _measured_in(quantity: dict[str, Any]) -> tuple[str | None, str | None]:
    """What decides whether two quantities have the same unit."""
    return quantity.get("system"), quantity.get("code") or quantity.get("unit")


def _of_samples(value: dict[str, Any]) -> Sequence[Row]:
    origin = value.get("origin", {})
    factor, base = value.get("factor", 1), origin.get("value", 0)
    points: list[Decimal | int | None] = []
    low_open = high_open = False
    for text in str(value.get("data", "")).split():
        if text == "E":
            continue
        if text in ("L", "U"):
            limit = value.get("lowerLimit" if text == "L" else "upperLimit")
            low_open = low_open or text == "L"
            high_open = high_open or text == "U"
            if limit is not None:
                points.append(limit)
            continue
        try:
            points.append(Decimal(text) * factor + base)
        except ArithmeticError:
            continue
    known = [point for point in points if point is not None]
    if not known:
        return []
    low, high = None if low_open else min(known), None if high_open else max(known)
    return _rows(low, high, origin, "")


def _rows(
    low: Decimal | int | None, high: Decimal | int | None, unit: dict[str, Any], comparator: str
) -> Sequence[Row]:
    """Rows of one interval; None is a side without limit."""
    get = unit.get
    return _rows_of(low, high, _unit_of(get("system"), get("code"), get("unit")), comparator)


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """How values of a unit are found: its names, and the end of the key of the second row.

    `canonical` is the end where the value can be converted and `code` what it is converted from.
    """

    names: tuple[str, ...]
    suffix: str
    canonical: str
    code: str


@lru_cache(maxsize=4_096)
def _unit_of(system: str | None, code: str | None, name: str | None) -> _Unit:
    names = tuple(_unit_name(text) for text in dict.fromkeys((code, name)) if text)
    if not (system and code):
        return _Unit(names, "", "", "")
    base = _canonical_unit(code) if system == UCUM else None
    return _Unit(names, _suffix(system, code), "" if base is None else f"|{base}", code)


@lru_cache(maxsize=64)
def _rows_of_one(value: Decimal | int, unit: _Unit) -> tuple[Row, ...]:
    """Rows of a single value; kept for a moment: it comes by itself and once with its code."""
    number = float(value)
    plain = ("", number, number, unit.names)
    if not unit.suffix:
        return (plain,)
    if unit.canonical and (exact := _in_canonical(value, unit.code)) is not None:
        number = float(exact)
        return plain, (unit.canonical, number, number, ())
    return plain, (unit.suffix, number, number, ())


def _rows_of(
    low: Decimal | int | None, high: Decimal | int | None, unit: _Unit, comparator: str
) -> tuple[Row, ...]:
    """The second row is in canonical units, or in its own where UCUM cannot convert it."""
    lower, upper = _bounds(low, high, comparator)
    plain = ("", lower, upper, unit.names)
    if not unit.suffix:
        return (plain,)
    if unit.canonical:
        start = None if low is None else _in_canonical(low, unit.code)
        if high is low:
            end = start
        else:
            end = None if high is None else _in_canonical(high, unit.code)
        if (low is None or start is not None) and (high is None or end is not None):
            return plain, (unit.canonical, *_bounds(start, end, comparator), ())
    return plain, (unit.suffix, lower, upper, ())


def _bounds(
    low: Decimal | int | None, high: Decimal | int | None, comparator: str
) -> tuple[float, float]:
    first = -math.inf if low is None else float(low)
    if high is None:
        last = math.inf
    else:
        last = first if high is low else float(high)
    match comparator:
        case "<":
            return -math.inf, math.nextafter(last, -math.inf)
        case "<=":
            return -math.inf, last
        case ">=":
            return first, math.inf
        case ">":
            return math.nextafter(first, math.inf), math.inf
        case _:
            return (first, last) if first <= last else (last, first)


def _unit_name(text: str) -> str:
    """A unit among the names of a row, where `=` begins those of tokens."""
    return shortened(f"\\{text}" if text[:1] in ("=", "\\") else text)


def _suffix(system: str, code: str) -> str:
    return f"|{shortened(system)}|{shortened(code)}"


@lru_cache(maxsize=4_096)
def _canonical_unit(code: str) -> str | None:
    found = canonical(Decimal(1), code)
    return None if found is None else found[1]


def _in_canonical(value: Decimal | int, code: str) -> Decimal | None:
    """The value in canonical units; None where it lies outside what the unit can say."""
    found = canonical(value if isinstance(value, Decimal) else Decimal(value), code)
    return None if found is None else found[0]


def _converted(value: Decimal, code: str) -> Decimal:
    found = _in_canonical(value, code)
    if found is None:
        raise MalformedRequest(f"{value} {shown(code)} lies outside what the unit can say")
    return found
