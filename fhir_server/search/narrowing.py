"""A filter with what it implies of the index: which part of it MongoDB has to read.

Filters speak of all keys (`k`) and of the patient (`p`), the index has the field `b`
(`search.entries`). What a filter implies of `b` is added to it, and a condition is left out only
where `b` says the very same: the filter finds what it found, by the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from fhir_server.search.entries import BARE, EVERY, FIELD, OWN, PATIENT, entries_of, scoped

Filter = dict[str, Any]

_MOST_PAIRS = 100_000
"""Entries that alternatives of a patient and of a key may make together."""

_FEW_PAIRS = 100
"""With more of them, MongoDB is also shown the way by the key alone."""

_ASKING = frozenset(("$elemMatch", "$regex", "$options"))
_PLAIN_PATTERN = re.compile(r"\^((?:[A-Za-z0-9_:]|\\?-)+)(?:\\\+\?)?=")


def narrowed(
    type_: str, filter_: Filter, guard: Filter | None = None, *, ordered: bool = False
) -> Filter:
    """The filter, and the guard where there is one, with what they imply of the index.

    No more and no fewer resources of the type meet it. Conditions within `$nor` and `$not` stay.
    `ordered` says that the first of an order are wanted. A range of keys gives none: all of it is
    read and sorted, unless MongoDB finds that the order of all resources is the shorter way.
    """
    conditions = list(_flat(filter_))
    patients = _patients(conditions)
    bounds: list[Any] = []
    rest: list[Filter] = []
    for condition in conditions:
        if condition.keys() == {"k"}:
            found = _bounds(type_, condition["k"], patients)
            bounds += found.values
            if not found.exact:
                rest.append(condition)
        elif condition.keys() == {"$or"}:
            rest.append({"$or": [narrowed(type_, one) for one in condition["$or"]]})
        else:
            rest.append(condition)
    if patients is not None and not any(_is_scoped(bound) for bound in bounds):
        record = _one_of([f"{PATIENT}{one} *" for one in patients])
        bounds = [*bounds, record] if patients else [record]
    if guard:
        if patients is None:
            bounds += _guarding(type_, guard)
        rest.append(guard)
    narrow = [bound for bound in bounds if bound != EVERY] or bounds[:1]
    if ordered and narrow and all(map(_is_range, narrow)):
        narrow.append(EVERY)
    return _joined([*({FIELD: bound} for bound in _unique(narrow)), *rest])


def is_merged(type_: str, filter_: Filter) -> bool:
    """Whether the filter has alternatives in the index, so that several scans of it are merged."""
    key = filter_.get("k")
    if isinstance(key, dict) or isinstance(filter_.get("p"), dict):
        return True
    return isinstance(key, str) and "p" not in filter_ and len(entries_of(type_, key)) > 1


class _Bounds(NamedTuple):
    """What a condition implies of the index; `exact` where it asks for nothing else."""

    values: list[Any]
    exact: bool


def _bounds(type_: str, wanted: Any, patients: Sequence[str] | None) -> _Bounds:
    if isinstance(wanted, str):
        return _of_keys(type_, [wanted], patients)
    if not isinstance(wanted, dict):
        return _Bounds([], False)
    if wanted.keys() == {"$in"}:
        return _of_keys(type_, wanted["$in"], patients)
    if wanted.keys() == {"$elemMatch"}:
        least = wanted["$elemMatch"].get("$gte", "")
        most = wanted["$elemMatch"].get("$lt", "")
        name, equals, _ = least.partition("=")
        if equals and most.startswith(f"{name}=") and name not in OWN | BARE:
            return _Bounds([wanted], True)
    elif "$regex" in wanted and wanted.keys() <= {"$regex", "$options"}:
        begin = _PLAIN_PATTERN.match(wanted["$regex"])
        if begin and begin[1].replace("\\", "") not in OWN | BARE:
            return _Bounds([wanted], True)
    # What has no keys, a tombstone, meets none of these.
    return _Bounds([EVERY] if wanted.keys() <= _ASKING else [], False)


def _of_keys(type_: str, keys: Sequence[str], patients: Sequence[str] | None) -> _Bounds:
    found: dict[str, None] = {}
    for key in keys:
        found.update(dict.fromkeys(entries_of(type_, key)))
    exact = list(found) == list(dict.fromkeys(keys))
    bounds = [_one_of(list(found))]
    pairs = len(keys) * len(patients or ())
    if patients and 0 < pairs <= _MOST_PAIRS and type_ != "Patient":
        codes = dict.fromkeys(map(scoped, keys))
        if None not in codes:
            within = _one_of([f"{PATIENT}{one} {code}" for one in patients for code in codes])
            # The entry has no system, so the key is looked at once more.
            return _Bounds([within] if pairs <= _FEW_PAIRS else [*bounds, within], False)
    return _Bounds(bounds, exact)


def _guarding(type_: str, guard: Filter) -> Iterator[Any]:
    """What a grant's filter implies; it is not changed itself."""
    for condition in _flat(guard):
        if condition.keys() == {"k"}:
            yield from _bounds(type_, condition["k"], None).values
        elif condition.keys() == {"$or"}:
            sides = [_texts(_guarding(type_, side)) for side in condition["$or"]]
            if all(side is not None for side in sides):
                yield _one_of(list(dict.fromkeys(text for side in sides for text in side or ())))


def _texts(bounds: Iterable[Any]) -> list[str] | None:
    """The entries of the bound that is likely to leave least: records, else the first."""
    found = [
        [bound] if isinstance(bound, str) else bound["$in"]
        for bound in bounds
        if bound != EVERY and (isinstance(bound, str) or "$in" in bound)
    ]
    return min(found, key=lambda texts: not _is_scoped({"$in": texts}), default=None)


def _flat(filter_: Filter) -> Iterator[Filter]:
    """The conditions that must all hold, each by itself."""
    for name, wanted in filter_.items():
        if name == "$and":
            for one in wanted:
                yield from _flat(one)
        else:
            yield {name: wanted}


def _patients(conditions: Iterable[Filter]) -> Sequence[str] | None:
    """Whose records the conditions keep to; None where that is not said."""
    for condition in conditions:
        wanted = condition.get("p")
        if isinstance(wanted, str):
            return (wanted,)
        if isinstance(wanted, dict) and wanted.keys() == {"$in"}:
            return tuple(wanted["$in"])
    return None


def _is_scoped(bound: Any) -> bool:
    first = bound["$in"][0] if isinstance(bound, dict) and bound.get("$in") else bound
    return isinstance(first, str) and first.startswith(PATIENT)


def _is_range(bound: Any) -> bool:
    return isinstance(bound, dict) and "$elemMatch" in bound


def _one_of(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else {"$in": values}


def _unique(bounds: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for bound in bounds:
        if bound not in found:
            found.append(bound)
    return found


def _joined(conditions: Iterable[Filter]) -> Filter:
    """One filter of all conditions: each field once at its top, whatever is more below `$and`."""
    found: Filter = {}
    more: list[Filter] = []
    for condition in conditions:
        if len(condition) == 1 and found.keys().isdisjoint(condition) and "$and" not in condition:
            found |= condition
        else:
            more.append(condition)
    if more:
        found["$and"] = more
    return found
