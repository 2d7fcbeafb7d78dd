"""Numbers: https://hl7.org/fhir/R4/search.html#number.

The digits of a search value say how exact it is: `100` finds from 99.5 up to but not including
100.5, `1e2` from 95 to 105; with a prefix other than `eq` and `ne` it is exact, and `ap` takes a
tenth of it at either side. Values of resources are exact; a Range is one from end to end.
Comparisons are of IEEE doubles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import Collector
from fhir_server.search.intervals import Row, Wanted, over_ranges, wanted
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, missing, prefixed, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Number:
    """The kind of parameters of type `number`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        out.seen[parameter.code] = None
        for node in nodes:
            for _, low, high, _ in self.component_rows(parameter, node, out):
                out.add_range(parameter.code, low, high, 0)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return missing(parameter.code, parameter.stored, values)
        if modifier:
            raise unsupported(parameter.code, "number", modifier, ())
        return any_of(
            [over_ranges(parameter.stored, ways_of(parameter.code, value)) for value in values]
        )

    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> Sequence[Row]:
        """The ordered values of the node in a composite."""
        type_, value = node
        if type_ == "Range":
            low, high = value.get("low", {}), value.get("high", {})
            first = float(low.get("value", -math.inf))
            return [("", first, float(high.get("value", math.inf)), ())]
        return [("", float(value), float(value), ())]

    def component_ways(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> tuple[str, list[Wanted]]:
        """What a composite's ordered value must be under which suffix."""
        return "", ways_of(parameter.code, value)

    width = 0


def number(code: str, text: str) -> tuple[Decimal, Decimal]:
    """A search number and half of what its last digit leaves open. Raises MalformedRequest."""
    if not _NUMBER.fullmatch(text):
        raise MalformedRequest(
            f"{code}: {shown(text)!r} is no number; write one such as 5, 5.40 or 5.4e-3, "
            "with a prefix such as gt before it"
        )
    value = Decimal(text)
    exponent = int(value.as_tuple().exponent)
    # 1e2 is "95 up to 105" in the specification: one digit more than its only one.
    digit = exponent - 1 if exponent > 0 else exponent
    return value, Decimal(5).scaleb(digit - 1)


def ways_of(
    code: str, value: str, convert: Callable[[Decimal], Decimal] = lambda number: number
) -> list[Wanted]:
    """What the search value, each bound of it converted, asks of intervals."""
    prefix, text = prefixed(unescape(value))
    return ways(prefix, *number(code, text), convert)


def ways(
    prefix: str, value: Decimal, half: Decimal, convert: Callable[[Decimal], Decimal]
) -> list[Wanted]:
    """What `prefix` and a number ask of intervals in converted units."""
    exact = float(convert(value))
    if prefix in ("eq", "ne"):
        low = min(exact, float(convert(value - half)))
        high = max(exact, math.nextafter(float(convert(value + half)), -math.inf))
        return wanted(prefix, low, high, 0, 0)
    if prefix == "ap":
        around = max(abs(value) / 10, half)
        low, high = float(convert(value - around)), float(convert(value + around))
        return wanted(prefix, low, high, 0, 0)
    return wanted(prefix, exact, exact, 0, 0)
