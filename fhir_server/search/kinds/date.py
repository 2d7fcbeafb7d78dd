"""Dates: https://hl7.org/fhir/R4/search.html#date.

A value is the interval of microseconds that its precision leaves open; a Period reaches to the
end of its `end`, and has no limit at a side that is missing; of a Timing only the outer limits
count, and one that names no date has none to be found by. The main clinical date of a type lies in
`d` and `e` (with the key `~code` where it is longer than a day), every other one in `r` under
`code` (and under `code~` where it is longer than a day). `ap` adds a tenth of the time between now
and the date at either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from fhir_server.errors import MalformedRequest
from fhir_server.fhir.primitives import parse_instant_range
from fhir_server.search.collector import Collector
from fhir_server.search.intervals import (
    DAY,
    OPEN_END,
    OPEN_START,
    Row,
    Wanted,
    over_clinical_date,
    over_ranges,
    wanted,
)
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, missing, prefixed, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter


class Date:
    """The kind of parameters of type `date`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code = parameter.code
        out.seen[code] = None
        for node in nodes:
            for low, high in spans(node, out.zone):
                if parameter.clinical_date:
                    out.clinical_date = (low, high)
                    if high - low > DAY:
                        out.keys[f"~{code}"] = None
                else:
                    out.add_range(code, low, high, DAY)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        if modifier == "missing":
            return missing(code, parameter.stored, values)
        if modifier:
            raise unsupported(code, "date", modifier, ())
        filters = []
        for value in values:
            ways = ways_of(code, value, context)
            if parameter.clinical_date:
                filters.append(over_clinical_date(code, ways))
            else:
                filters.append(over_ranges(parameter.stored, ways))
        return any_of(filters)

    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> Sequence[Row]:
        """The ordered values of the node in a composite."""
        return [("", low, high, ()) for low, high in spans(node, out.zone)]

    def component_ways(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> tuple[str, list[Wanted]]:
        """What a composite's ordered value must be under which suffix."""
        return "", ways_of(parameter.code, value, context)

    width = DAY


def spans(node: Node, zone: tzinfo) -> Sequence[tuple[int, int]]:
    """First and last microsecond of a value, both inside; nothing where it names no date."""
    type_, value = node
    match type_:
        case "dateTime" | "date" | "instant":
            return (parse_instant_range(value, zone),)
        case "Period":
            return (_period(value, zone),)
        case "Timing":
            found = [parse_instant_range(event, zone) for event in value.get("event", ()) if event]
            bounds = value.get("repeat", {}).get("boundsPeriod")
            if bounds:
                found.append(_period(bounds, zone))
            if found:
                return ((min(low for low, _ in found), max(high for _, high in found)),)
    return ()


def _period(value: dict[str, Any], zone: tzinfo) -> tuple[int, int]:
    start, end = value.get("start"), value.get("end")
    low = parse_instant_range(start, zone)[0] if start else OPEN_START
    high = parse_instant_range(end, zone)[1] if end else OPEN_END
    return (low, high) if low <= high else (high, low)


def interval(code: str, value: str, context: MatchContext) -> tuple[str, int, int]:
    """The prefix, the first and the last microsecond of a search value.

    A blank before the zone is the `+` that a form made of it. Raises MalformedRequest.
    """
    prefix, text = prefixed(unescape(value).strip())
    try:
        low, high = parse_instant_range(text.replace(" ", "+"), context.zone)
    except ValueError as error:
        raise MalformedRequest(
            f"{code}={shown(value)} is no date: write YYYY, YYYY-MM, YYYY-MM-DD or "
            "YYYY-MM-DDThh:mm[:ss[.sss]] with Z or +hh:mm, with a prefix such as ge before it"
        ) from error
    return prefix, low, high


def ways_of(code: str, value: str, context: MatchContext) -> list[Wanted]:
    """What the search value asks of intervals."""
    prefix, low, high = interval(code, value, context)
    margin = max(0, context.now - high, low - context.now) // 10
    return wanted(prefix, low, high, DAY, margin)
