"""Composites: https://hl7.org/fhir/R4/search.html#combining.

The parts of a composite are taken from one and the same element and fused to one key: texts joined
by `$` in `k`; where one part is ordered, a row of `r` under `composite=texts&suffix`. Two ordered
parts (a start and an end, each a number) are the two sides of one row. Values that a part's own
parameter has beyond the composite's lie under `composite+`, for `fused` alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import Collector
from fhir_server.search.intervals import Row, Wanted, over_ranges
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, begins, keyed, missing, parts, shown, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Component, Parameter

ORDERED = frozenset(("date", "number", "quantity"))


Side: TypeAlias = "tuple[list[Any] | None, list[Any] | None]"
"""The values of one part, and those beyond the composite's: texts, or rows of what is ordered.

None where the part has no element at all, an empty list where its element has no value.
"""
Sides: TypeAlias = tuple[Side, ...]

MOST_PAIRS = 20
"""Pairs of values that `fused` looks for; each is a range of its own."""


class _Text(Protocol):
    def component_keys(self, parameter: Parameter, node: Node) -> list[str]: ...

    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]: ...


class _Ordered(Protocol):
    width: int

    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> list[Row]: ...

    def component_ways(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> tuple[str, list[Wanted]]: ...


class Composite:
    """The kind of parameters of type `composite`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        for node in nodes:
            sides = self.sides(parameter, node, out)
            if sides is not None:
                self.join(parameter, sides, out)

    def sides(self, parameter: Parameter, node: Node, out: Collector) -> Sides | None:
        """What the node has of each part, None where it has no part at all.

        A resource's sides are those of its elements put together: see `together`.
        """
        found: list[Side] = []
        some = False
        for component in parameter.components:
            beyond = component.beyond
            own = component.walks[node.type].one(node.value, out.resource)
            other = None
            if beyond is not None and node.type == parameter.base:
                other = beyond.one(node.value, out.resource)
            some = some or bool(own) or bool(other)
            found.append((_values(component, own, out), _values(component, other, out)))
        return tuple(found) if some else None

    def join(self, parameter: Parameter, sides: Sides, out: Collector) -> None:
        """Add the keys of one element (or resource) with these sides, where no part is missing."""
        code = parameter.code
        texts: list[list[str]] = []
        ordered: list[tuple[int, list[Row]]] = []
        for component, (own, beyond) in zip(parameter.components, sides, strict=True):
            values = own
            if values is None:
                values, code = beyond, f"{parameter.code}+"
            if values is None:
                return
            if component.parameter.type in ORDERED:
                width = cast("_Ordered", component.parameter.kind).width
                ordered.append((width, cast("list[Row]", values)))
            else:
                texts.append(cast("list[str]", values))
        if code == parameter.code:
            out.seen[code] = None
        self._write(code, texts, ordered, out)

    def _write(
        self,
        code: str,
        texts: list[list[str]],
        ordered: list[tuple[int, list[Row]]],
        out: Collector,
    ) -> None:
        for combination in itertools.product(*texts):
            key = f"{code}={'$'.join(combination)}"
            if not ordered:
                out.keys[key] = None
            elif len(ordered) == 1:
                width, rows = ordered[0]
                for suffix, low, high, units in rows:
                    out.add_range(f"{key}&{suffix}", low, high, width, units)
            else:
                for first, second in itertools.product(ordered[0][1], ordered[1][1]):
                    suffix = f"{first.suffix}&{second.suffix}"
                    units = _units(("", *first.units), ("", *second.units))
                    out.add_pair(f"{key}&{suffix}", first.lo, second.lo, units)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return missing(parameter.code, parameter.stored, values)
        if modifier:
            raise unsupported(parameter.code, "composite", modifier, ())
        given = [_parts(parameter, value) for value in values]
        return any_of([_match_one(parameter, parameter.stored, one, context) for one in given])


def together(one: Sides, other: Sides) -> Sides:
    """The sides of two elements of one resource as those of both."""
    return tuple(
        (_both(own, also), _both(beyond, further))
        for (own, beyond), (also, further) in zip(one, other, strict=True)
    )


def _both(one: list[Any] | None, other: list[Any] | None) -> list[Any] | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _values(component: Component, nodes: Sequence[Node] | None, out: Collector) -> list[Any] | None:
    if not nodes:
        return None
    if component.parameter.type in ORDERED:
        kind = cast("_Ordered", component.parameter.kind)
        return [row for one in nodes for row in kind.component_rows(component.parameter, one, out)]
    return [text for one in nodes for text in _component_keys(component, one)]


def _component_keys(component: Component, node: Node) -> list[str]:
    found = cast("_Text", component.parameter.kind).component_keys(component.parameter, node)
    return found if component.parameter.type == "token" else [_escaped(text) for text in found]


def fused(
    first: Parameter,
    first_values: Sequence[str],
    second: Parameter,
    second_values: Sequence[str],
    context: MatchContext,
) -> Filter | None:
    """One filter for two parameters without modifiers, where a composite holds both fused.

    It finds what both filters find, in one range of an index: `code` with `value-quantity` of
    Observation lie under `code-value-quantity`. None where no composite is exactly the two, or
    where their values make more than `MOST_PAIRS` pairs.
    """
    if len(first_values) * len(second_values) > MOST_PAIRS:
        return None
    values = {first.url: first_values, second.url: second_values}
    for one in context.registry.all(context.type):
        if (
            one.type == "composite"
            and [component.parameter.url in values for component in one.components] == [True, True]
            and len(values) == 2
            and all(component.whole for component in one.components)
        ):
            pairs = itertools.product(*(values[part.parameter.url] for part in one.components))
            codes = (
                (one.code, f"{one.code}+") if any(p.beyond for p in one.components) else (one.code,)
            )
            return any_of([_match_one(one, codes, pair, context) for pair in pairs])
    return None


def token_bound(
    parameter: Parameter, values: Sequence[str], context: MatchContext
) -> Filter | None:
    """What the first token among the parts asks for by itself; None where none is a token.

    Whatever meets the composite meets it too, and an index has it in the order of pages.
    """
    for at, component in enumerate(parameter.components):
        known = context.registry.find(context.type, component.parameter.code)
        if known is not None and known.type == "token" and known.url == component.parameter.url:
            given = [_parts(parameter, value)[at] for value in values]
            return known.kind.match(known, "", given, context)
    return None


def _parts(parameter: Parameter, value: str) -> Sequence[str]:
    given = parts(value, "$")
    if len(given) != len(parameter.components) or not all(given):
        codes = "$".join(component.parameter.code for component in parameter.components)
        raise MalformedRequest(
            f"{parameter.code}={shown(value)} must have {len(parameter.components)} parts: {codes}"
        )
    return given


def _match_one(
    parameter: Parameter, codes: Sequence[str], given: Sequence[str], context: MatchContext
) -> Filter:
    texts: list[list[tuple[str, bool]]] = []
    ordered: list[tuple[str, list[Wanted]]] = []
    for component, part in zip(parameter.components, given, strict=True):
        if component.parameter.type in ORDERED:
            ways = cast("_Ordered", component.parameter.kind)
            ordered.append(ways.component_ways(component.parameter, part, context))
        else:
            kind = cast("_Text", component.parameter.kind)
            forms = kind.component_match(component.parameter, part, context)
            if component.parameter.type != "token":
                forms = [(_escaped(text), open_) for text, open_ in forms]
            texts.append(forms)
    filters = [
        one
        for code in codes
        for combination in itertools.product(*texts)
        for one in [_filter(code, combination, ordered)]
    ]
    return any_of(filters)


def _filter(
    code: str,
    combination: Sequence[tuple[str, bool]],
    ordered: Sequence[tuple[str, list[Wanted]]],
) -> Filter:
    key = f"{code}={'$'.join(text for text, _ in combination)}"
    if any(open_ for _, open_ in combination[:-1]) or (ordered and combination[-1][1]):
        return _by_pattern(code, combination, ordered)
    if not ordered:
        return begins(key) if combination[-1][1] else keyed([key])
    if len(ordered) == 1:
        suffix, ways = ordered[0]
        return over_ranges([f"{key}&{suffix}"], ways)
    suffix = f"{ordered[0][0]}&{ordered[1][0]}"
    return any_of(
        [
            over_ranges([f"{key}&{suffix}"], [_paired(first, second)])
            for first, second in itertools.product(ordered[0][1], ordered[1][1])
            if not first.long and not second.long
        ]
    )


def _by_pattern(
    code: str,
    combination: Sequence[tuple[str, bool]],
    ordered: Sequence[tuple[str, list[Wanted]]],
) -> Filter:
    r"""A part that is open at its end (`system|`) takes what comes up to the next `$` or `&`."""
    pattern = f"^{re.escape(code)}=" + r"\$".join(
        re.escape(text) + (r"(?:[^$\\]|\\.)*" if open_ else "") for text, open_ in combination
    )
    if not ordered:
        return {"k": {"$regex": f"{pattern}$" if not combination[-1][1] else pattern}}
    suffix = "&".join(suffix for suffix, _ in ordered)
    filters: list[Filter] = []
    for ways in itertools.product(*(ways for _, ways in ordered)):
        mark = "~" if len(ways) == 1 and ways[0].long else ""
        way = ways[0] if len(ways) == 1 else _paired(*ways)
        row = way.row({"$regex": f"{pattern}&{re.escape(suffix)}{mark}$"})
        filters.append({"r": {"$elemMatch": row}})
    return any_of(filters)


def _paired(first: Wanted, second: Wanted) -> Wanted:
    """What two numbers that are the sides of one row must meet."""
    (unit,) = _units((first.unit,), (second.unit,)) or ("",)
    return Wanted(first.lo | first.hi, second.lo | second.hi, unit=unit)


def _units(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """The names of the units of two numbers that are the sides of one row."""
    return tuple(f"{one}&{other}" for one, other in itertools.product(first, second) if one + other)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", "\\$")
