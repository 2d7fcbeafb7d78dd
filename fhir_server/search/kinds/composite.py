"""Composites: https://hl7.org/fhir/R4/search.html#combining.

The parts of a composite are taken from one and the same element and fused to one key: texts joined
by `$` in `k`; where one part is ordered, a row of `r` under `composite=texts&suffix`, its tokens
without their systems: with them they are among the names of the row (`=texts` in `w`). Two ordered
parts (a start and an end, each a number) are the two sides of one row. Values that a part's own
parameter has beyond the composite's lie under `composite+`, for `fused` alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from fhir_server.search.collector import Collector
from fhir_server.search.intervals import Row
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.kinds.composite_match import (
    match_any,
    paired_names,
    part_of,
    without_systems,
)
from fhir_server.search.values import missing, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Component, Parameter

Values: TypeAlias = "tuple[Any, ...] | None"
"""The values of one part: texts, or rows of what is ordered.

None where the part has no element at all, an empty tuple where its element has no value.
"""


class _Text(Protocol):
    def component_keys(self, parameter: Parameter, node: Node) -> list[str]: ...


class _Ordered(Protocol):
    def component_rows(self, parameter: Parameter, node: Node, out: Collector) -> Sequence[Row]: ...


class Composite:
    """The kind of parameters of type `composite`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        for type_, value in nodes:
            sides = []
            for component in parameter.components:
                beyond = component.beyond if type_ == parameter.base else None
                walk = component.walks[type_]
                own = values_of(component, walk.one(value, out.resource), out)
                other = None
                if beyond is not None:
                    other = values_of(component, beyond.one(value, out.resource), out)
                sides.append((component, own, other))
            self.join(parameter, sides, out)

    def join(
        self,
        parameter: Parameter,
        sides: Iterable[tuple[Component, Values, Values]],
        out: Collector,
    ) -> None:
        """Add the keys of one element (or resource), where no part is missing.

        `sides` has each part with its values, and those beyond the composite's.
        """
        code = parameter.code
        texts: list[tuple[str, ...]] = []
        ordered: list[tuple[int, tuple[Row, ...]]] = []
        for component, values, beyond in sides:
            if values is None:
                if beyond is None:
                    return
                values, code = beyond, f"{parameter.code}+"
            if component.width is None:
                texts.append(values)
            else:
                ordered.append((component.width, values))
        if code == parameter.code:
            out.seen[code] = None
        if ordered:
            _write_rows(_named(code, tuple(texts), parameter.tokens), ordered, out)
        else:
            for combination in itertools.product(*texts):
                out.keys[f"{code}={'$'.join(combination)}"] = None

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
    code: str, texts: tuple[tuple[str, ...], ...], tokens: tuple[bool, ...]
) -> dict[str, tuple[str, ...]]:
    """What the keys of the rows begin with, and what each says of its tokens' systems.

    Kept, as codes recur.
    """
    found: dict[str, tuple[str, ...]] = {}
    for combination in dict.fromkeys(itertools.product(*texts)):
        bare, whole = without_systems(combination, tokens), "$".join(combination)
        key = f"{code}={bare}&"
        found[key] = found.get(key, ()) + ((f"={whole}",) if whole != bare else ())
    return found


def _write_rows(
    named: Mapping[str, tuple[str, ...]],
    ordered: list[tuple[int, tuple[Row, ...]]],
    out: Collector,
) -> None:
    width, rows = ordered[0]
    for key, names in named.items():
        if len(ordered) == 1:
            out.add_rows(key, rows, width, names)
        else:
            for one, other in itertools.product(rows, ordered[1][1]):
                (suffix, first, _, units), (ending, second, _, others) = one, other
                both = paired_names(("", *units), ("", *others))
                out.add_pair(f"{key}{suffix}&{ending}", first, second, both + names)


def values_of(component: Component, nodes: Sequence[Node], out: Collector) -> Values:
    """The values of a part, of what its walk has found."""
    if not nodes:
        return None
    parameter = component.parameter
    found: list[Any] = []
    if component.width is not None:
        ordered = cast("_Ordered", parameter.kind)
        if len(nodes) == 1:
            return tuple(ordered.component_rows(parameter, nodes[0], out))
        for node in nodes:
            found += ordered.component_rows(parameter, node, out)
    else:
        kind, token = cast("_Text", parameter.kind), parameter.type == "token"
        for node in nodes:
            found += [part_of(text, token) for text in kind.component_keys(parameter, node)]
    return tuple(found)
