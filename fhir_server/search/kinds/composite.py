"""Composites: https://hl7.org/fhir/R4/search.html#combining.

The parts of a composite are taken from one and the same element and fused to one key: texts joined
by `$` in `k`; where one part is ordered, a row of `r` under `composite=texts&suffix`, its tokens
without their systems: with them they are among the names of the row (`=texts` in `w`). Two ordered
parts (a start and an end, each a number) are the two sides of one row. Values that a part's own
parameter has beyond the composite's lie under `composite+`, for `fused` alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from fhir_server.search.collector import Collector
from fhir_server.search.intervals import Row
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.kinds.composite_match import (
    ORDERED,
    match_any,
    paired_names,
    part_of,
    without_systems,
)
from fhir_server.search.values import missing, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Component, Parameter

Side: TypeAlias = "tuple[list[Any] | None, list[Any] | None]"
"""The values of one part, and those beyond the composite's: texts, or rows of what is ordered.

None where the part has no element at all, an empty list where its element has no value.
"""
Sides: TypeAlias = tuple[Side, ...]


class _Text(Protocol):
    def component_keys(self, parameter: Parameter, node: Node) -> list[str]: ...


class _Ordered(Protocol):
    width: int

    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> list[Row]: ...


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
        texts: list[tuple[str, ...]] = []
        ordered: list[tuple[int, list[Row]]] = []
        tokens: list[bool] = []
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
                texts.append(tuple(values))
                tokens.append(component.parameter.type == "token")
        if code == parameter.code:
            out.seen[code] = None
        if ordered:
            self._write_rows(code, _named(tuple(texts), tuple(tokens)), ordered, out)
        else:
            for combination in itertools.product(*texts):
                out.keys[f"{code}={'$'.join(combination)}"] = None

    def _write_rows(
        self,
        code: str,
        named: Mapping[str, tuple[str, ...]],
        ordered: list[tuple[int, list[Row]]],
        out: Collector,
    ) -> None:
        for text, names in named.items():
            key = f"{code}={text}"
            if len(ordered) == 1:
                width, rows = ordered[0]
                for suffix, low, high, units in rows:
                    out.add_range(f"{key}&{suffix}", low, high, width, units + names)
            else:
                for first, second in itertools.product(ordered[0][1], ordered[1][1]):
                    suffix = f"{first.suffix}&{second.suffix}"
                    units = paired_names(("", *first.units), ("", *second.units))
                    out.add_pair(f"{key}&{suffix}", first.lo, second.lo, units + names)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return missing(parameter.code, parameter.stored, values)
        if modifier:
            raise unsupported(parameter.code, "composite", modifier, ())
        return match_any(parameter, values, context)


@lru_cache(maxsize=4_096)
def _named(
    texts: tuple[tuple[str, ...], ...], tokens: tuple[bool, ...]
) -> dict[str, tuple[str, ...]]:
    """The texts of the rows, and what each says of its tokens' systems; kept, as codes recur."""
    found: dict[str, tuple[str, ...]] = {}
    for combination in dict.fromkeys(itertools.product(*texts)):
        bare, whole = without_systems(combination, tokens), "$".join(combination)
        found[bare] = found.get(bare, ()) + ((f"={whole}",) if whole != bare else ())
    return found


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
    token = component.parameter.type == "token"
    return [part_of(text, token) for text in found]
