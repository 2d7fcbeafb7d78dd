"""A search filter held against the keys of one resource.

A transaction's conditions must see what the same transaction is about to write, and a grant decides
on what is written and on what is answered. The filters are those that the kinds of search parameter
make; MongoDB's own words decide what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhir_server.errors import UnsupportedParameter
from fhir_server.search.keys import Keys, documents

Filter = dict[str, Any]

_MISSING: Any = object()


def searchable(id_: str, updated: int, keys: Keys) -> dict[str, Any]:
    """The fields that filters ask of, as the document will have them."""
    return {
        "_id": id_,
        "u": updated,
        "p": keys.p,
        "d": keys.d,
        "e": keys.e,
        "k": keys.k,
        "r": documents(keys.r),
        "s": keys.s,
        "n": keys.n,
        "t": keys.t,
        "c": [{**searchable(one.id, 0, one.keys), "type": one.type} for one in keys.c],
    }


def meets(document: Mapping[str, Any], filter_: Filter) -> bool:
    """Whether the document (by `searchable`) is one that MongoDB would find by the filter."""
    return all(_holds(document, name, wanted) for name, wanted in filter_.items())


def _holds(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(meets(document, part) for part in wanted)
    if name == "$or":
        return any(meets(document, part) for part in wanted)
    if name == "$nor":
        return not any(meets(document, part) for part in wanted)
    if name == "$expr":
        raise UnsupportedParameter("A distance cannot be a condition inside a transaction")
    return _matches(_values(document, name), wanted)


def _values(document: Mapping[str, Any], path: str) -> Sequence[Any]:
    """What a path leads to: every element of an array is a value of its own."""
    head, _, rest = path.partition(".")
    value = document.get(head, _MISSING)
    items = value if isinstance(value, (list, tuple)) else [value]
    if not rest:
        return items
    return [found for item in items if isinstance(item, dict) for found in _values(item, rest)]


def _matches(values: Sequence[Any], wanted: Any) -> bool:
    if not (isinstance(wanted, dict) and any(name.startswith("$") for name in wanted)):
        return any(value == wanted for value in values) or (
            wanted is None and (not values or _MISSING in values)
        )
    options = wanted.get("$options", "")
    for operator, operand in wanted.items():
        if operator == "$options":
            continue
        if operator == "$regex":
            pattern = re.compile(operand, _flags(options))
            if not any(isinstance(value, str) and pattern.search(value) for value in values):
                return False
        elif not _OPERATORS[operator](values, operand):
            return False
    return True


def _flags(options: str) -> int:
    return (re.IGNORECASE if "i" in options else 0) | (re.DOTALL if "s" in options else 0)


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Sequence[Any], Any], bool]:
    def compare(values: Sequence[Any], operand: Any) -> bool:
        return any(
            value is not None and value is not _MISSING and test(value, operand) for value in values
        )

    return compare


def _in(values: Sequence[Any], operand: Any) -> bool:
    return any(_matches(values, one) for one in operand)


_OPERATORS: dict[str, Callable[[Sequence[Any], Any], bool]] = {
    "$eq": _matches,
    "$ne": lambda values, operand: not _matches(values, operand),
    "$in": _in,
    "$nin": lambda values, operand: not _in(values, operand),
    "$all": lambda values, operand: all(_matches(values, one) for one in operand),
    "$not": lambda values, operand: not _matches(values, operand),
    "$gt": _compare(lambda value, operand: value > operand),
    "$gte": _compare(lambda value, operand: value >= operand),
    "$lt": _compare(lambda value, operand: value < operand),
    "$lte": _compare(lambda value, operand: value <= operand),
    "$exists": lambda values, operand: (
        operand == any(value is not None and value is not _MISSING for value in values)
    ),
    "$elemMatch": lambda values, operand: any(
        isinstance(value, dict) and meets(value, operand)
        if not all(name.startswith("$") for name in operand)
        else _matches([value], operand)
        for value in values
    ),
}
