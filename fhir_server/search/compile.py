"""Conditions as one MongoDB filter whose shape an index serves, and the order it gives.

An index scan is bounded by one key, so a filter has exactly one condition on `k` at its top, the
most selective one (`*` where there is none), and all others below `$and`. Where the patient is
known, `p` stands beside it in the place of the reference. `search.entries` says what of both the
index has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server.access.grant import Filter
from fhir_server.errors import UnsupportedParameter
from fhir_server.search.computed import ComputedKey
from fhir_server.search.conditions import Plain
from fhir_server.search.keyset import Order
from fhir_server.search.kinds import MatchContext
from fhir_server.search.kinds.composite_match import ORDERED, fused, part_bound
from fhir_server.search.narrowing import is_merged
from fhir_server.search.registry import Parameter
from fhir_server.search.sort import SortKey

if TYPE_CHECKING:
    from fhir_server.search.direction import Sieve

EVERY = "*"
"""The key that every resource has."""

CLINICAL = Order("d")
"""The order of searches that ask for none: newest clinical date first, then by id."""

NEWEST = Order("u")
"""The same for searches across types, which have no other order in common: last updated first."""

_COARSE = frozenset(
    (
        *("status", "clinical-status", "verification-status", "active", "deceased", "gender"),
        *("category", "type", "class", "intent", "priority", "language"),
        *("_tag", "_security", "_profile", "_source"),
    )
)
"""Parameters that many resources answer alike: poor bounds for an index."""


class Part(NamedTuple):
    """One condition compiled. The lower the rank, the fewer resources it leaves."""

    rank: int
    filter: Filter


@dataclass(frozen=True, slots=True)
class Query:
    """What to read of one type: `filter` has `p`, `k` and `$and` at its top, nothing else.

    Rows come by `order`, or where it is None, by `keys`, which must be computed. What meets the
    filter is a match only if the `sieve` keeps it, where there is one.
    """

    type: str
    filter: Filter
    order: Order | None
    keys: tuple[ComputedKey, ...] = ()
    sieve: Sieve | None = None

    @property
    def merged(self) -> bool:
        """Whether `p` or `k` has alternatives, so that an ordered read merges several scans."""
        return is_merged(self.type, self.filter)


def compile_plain(plain: Plain, context: MatchContext, beside: Iterable[Plain] = ()) -> Part:
    """The part of one plain condition; raises what the parameter's kind raises for its values.

    An ordered value takes in the condition `beside` it that it lies fused with: value and code.
    """
    parameter = plain.parameter
    if parameter.type in ORDERED and not plain.modifier:
        for other in beside:
            if not other.modifier:
                both = fused(parameter, plain.values, other.parameter, other.values, context)
                if both is not None:
                    return Part(_rank(parameter), both)
    found = parameter.kind.match(parameter, plain.modifier, plain.values, context)
    return Part(_rank(parameter), found)


def implied(plain: Plain, context: MatchContext) -> list[Part]:
    """What a condition asks for besides that bounds an index better: the code of a composite.

    Where any code of a system will do (`system|`), also its value: of any code, that is one range
    of an index, and of all codes of a system it is not.
    """
    parameter = plain.parameter
    if parameter.type != "composite" or plain.modifier:
        return []
    code = part_bound(parameter, ("token",), plain.values, context)
    if code is None:
        return []
    bounds = [code] if code.keys() == {"k"} else []
    if not bounds or (isinstance(code["k"], dict) and "$elemMatch" in code["k"]):
        bounds.append(part_bound(parameter, ORDERED, plain.values, context) or {})
    return [Part(_rank(parameter), bound) for bound in bounds if bound]


def combine(parts: Iterable[Part]) -> Filter:
    """One filter of parts that must all hold; the one with the lowest rank gives the bound."""
    found: Filter = {}
    bounds: list[tuple[int, Any]] = []
    others: list[Filter] = []
    for part in parts:
        if len(part.filter) == 1 and "p" in part.filter and "p" not in found:
            found["p"] = part.filter["p"]
        elif len(part.filter) == 1 and "k" in part.filter and _is_bound(part.filter["k"]):
            bounds.append((part.rank + _width(part.filter["k"]), part.filter["k"]))
        elif part.filter:
            others.append(part.filter)
    if bounds:
        best = min(range(len(bounds)), key=lambda at: bounds[at][0])
        found["k"] = bounds.pop(best)[1]
    else:
        found["k"] = EVERY
    others[:0] = [{"k": bound} for _, bound in bounds]
    if others:
        found["$and"] = others
    return found


def plan(type_: str, filter_: Filter, sort: Sequence[SortKey], *, alone: bool = True) -> Query:
    """The query for a filter and `_sort`: by an index's order where there is one.

    `alone`: no other type is searched beside it. Several types are merged by last update, no other
    order is possible for them: UnsupportedParameter.
    """
    if not sort:
        return Query(type_, filter_, CLINICAL if alone else NEWEST)
    first = sort[0]
    if len(sort) == 1 and first.code == "_lastUpdated":
        return Query(type_, filter_, Order("u", first.descending))
    if not alone:
        raise UnsupportedParameter(
            "_sort: a search across types is sorted by _lastUpdated or -_lastUpdated alone",
            expression="http._sort",
        )
    keys = tuple(ComputedKey(key.parameter(type_), key.descending) for key in sort)
    if len(keys) == 1 and keys[0].parameter.clinical_date:
        return Query(type_, filter_, Order("d", first.descending))
    return Query(type_, filter_, None, keys)


def _rank(parameter: Parameter) -> int:
    if parameter.code in ("identifier", "url", "email", "phone"):
        return 0
    if parameter.type == "reference":
        return 10
    if parameter.code in _COARSE:
        return 60
    return {"uri": 20, "string": 30, "token": 40}.get(parameter.type, 50)


def _is_bound(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, dict) and len(value) == 1 and ("$in" in value or "$elemMatch" in value)
    )


def _width(value: Any) -> int:
    """What alternatives add to the rank of a bound."""
    if isinstance(value, str):
        return 0
    return min(len(value.get("$in", "a few keys")), 20)
