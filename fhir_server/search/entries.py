"""What of a resource's keys the index has, and which part of it a filter has to read.

Filters speak of all keys (`k`) and of the patient (`p`). The index has the field `b`: most keys as
they are, and some with the patient before them, so that one index serves both what all records have
and what one record has:

- `Patient/1 *` for each patient whose record it is in the widest sense. Keys that say no more than
  that (`in=Patient/1`, `patient=Patient/1`, `subject=Patient/1`) have no entry of their own;
- `Patient/1 code=8480-6` for the patient `p` and the parameters of `SCOPED`, without code systems,
  which a single record hardly needs;
- no `in=Encounter/1`: that is in the references which make the compartment;
- no `status=system|final` beside `status=final`, where codes have one system by their binding.

`entries` makes `b`. `narrowed` adds to a filter what it implies of `b`, and leaves out what `b`
says as exactly: it finds the same, by the index. Both go by the text of the keys alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fhir_server.fhir import definitions
from fhir_server.search.values import code_of

Filter = dict[str, Any]

FIELD = "b"
EVERY = "*"

SCOPED = frozenset(
    (
        *("code", "component-code", "value-concept", "vaccine-code", "category", "type", "class"),
        *("status", "clinical-status", "verification-status", "lifecycle-status", "intent"),
    )
)
"""Parameters by which few resources are found within one record."""

BARE = frozenset(("status", "lifecycle-status", "intent", "priority", "gender"))
"""Parameters whose codes have one system, so that their keys with it have no entry."""

_SUBJECTS = frozenset(("patient", "subject"))
_COMPARTMENT = "in"
_OWN = _SUBJECTS | {_COMPARTMENT}
_NOTED = SCOPED | BARE | _OWN
_PATIENT = "Patient/"

_MOST_PAIRS = 100_000
"""Entries that alternatives of a patient and of a key may make together."""

_FEW_PAIRS = 100
"""With more of them, MongoDB is also shown the way by the key alone."""

_ASKING = frozenset(("$elemMatch", "$regex", "$options"))
_PLAIN_PATTERN = re.compile(r"\^((?:[A-Za-z0-9_:]|\\?-)+)(?:\\\+\?)?=")


def entries(type_: str, patient: str | None, keys: Sequence[str]) -> list[str]:
    """What the index has for a resource with these keys; `patient` is its `p`."""
    found: list[str] = []
    add = found.append
    before = f"{_PATIENT}{patient} "
    within = patient is not None and type_ != "Patient"
    records = {} if patient is None else {f"{before}*": None}
    scoped: dict[str, None] = {}
    for key in keys:
        name, _, value = key.partition("=")
        if name not in _NOTED:
            add(key)
        elif name not in _OWN:
            code, bare = _parts(key)
            if within and code is not None:
                scoped[before + code] = None
            if bare is None or bare not in keys:
                add(key)
        elif value[:8] == _PATIENT and "/" not in value[8:]:
            records[f"{value} *"] = None
        elif name != _COMPARTMENT or _COMPARTMENT in _codes(type_, value.partition("/")[0]):
            add(key)
    return [*found, *records, *scoped]


def narrowed(type_: str, filter_: Filter, guard: Filter | None = None) -> Filter:
    """The filter, and the guard where there is one, with what they imply of the index.

    No more and no fewer resources of the type meet it. Conditions within `$nor` and `$not` stay.
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
        record = _one_of([f"{_PATIENT}{one} *" for one in patients])
        bounds = [*bounds, record] if patients else [record]
    if guard:
        if patients is None:
            bounds += _guarding(type_, guard)
        rest.append(guard)
    narrow = [bound for bound in bounds if bound != EVERY] or bounds[:1]
    return _joined([*({FIELD: bound} for bound in _unique(narrow)), *rest])


def is_merged(type_: str, filter_: Filter) -> bool:
    """Whether the filter has alternatives in the index, so that several scans of it are merged."""
    key = filter_.get("k")
    if isinstance(key, dict) or isinstance(filter_.get("p"), dict):
        return True
    return isinstance(key, str) and "p" not in filter_ and len(_of_key(type_, key)) > 1


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
        if equals and most.startswith(f"{name}=") and name not in _OWN | BARE:
            return _Bounds([wanted], True)
    elif "$regex" in wanted and wanted.keys() <= {"$regex", "$options"}:
        begin = _PLAIN_PATTERN.match(wanted["$regex"])
        if begin and begin[1].replace("\\", "") not in _OWN | BARE:
            return _Bounds([wanted], True)
    # What has no keys, a tombstone, meets none of these.
    return _Bounds([EVERY] if wanted.keys() <= _ASKING else [], False)


def _of_keys(type_: str, keys: Sequence[str], patients: Sequence[str] | None) -> _Bounds:
    found: dict[str, None] = {}
    for key in keys:
        found.update(dict.fromkeys(_of_key(type_, key)))
    exact = list(found) == list(dict.fromkeys(keys))
    bounds = [_one_of(list(found))]
    pairs = len(keys) * len(patients or ())
    if patients and 0 < pairs <= _MOST_PAIRS and type_ != "Patient":
        codes = dict.fromkeys(map(_scoped, keys))
        if None not in codes:
            within = _one_of([f"{_PATIENT}{one} {code}" for one in patients for code in codes])
            # The entry has no system, so the key is looked at once more.
            return _Bounds([within] if pairs <= _FEW_PAIRS else [*bounds, within], False)
    return _Bounds(bounds, exact)


def _of_key(type_: str, key: str) -> Sequence[str]:
    """The entries one of which a resource with the key has."""
    name, _, value = key.partition("=")
    if name not in _NOTED:
        return (key,)
    if name in _OWN:
        record = _record(value)
        if record is not None:
            return (record,)
        return _in_compartment(type_, value) if name == _COMPARTMENT else (key,)
    bare = _parts(key)[1]
    return (key,) if bare is None else (bare, key)


def _record(value: str) -> str | None:
    """The entry of the record that the key says no more than; None where it says something else."""
    if value.startswith(_PATIENT) and value.count("/") == 1:
        return f"{value} *"
    return None


def _scoped(key: str) -> str | None:
    """What stands behind the patient in the entry for a key; None where it has none."""
    return _parts(key)[0] if key.partition("=")[0] in SCOPED else None


@lru_cache(maxsize=16_384)
def _parts(key: str) -> tuple[str | None, str | None]:
    """Of a token's key what a record has of it, and the key whose entry serves for it."""
    name, _, value = key.partition("=")
    code = code_of(value)
    bare = f"{name}={code}"
    return (
        bare if code and name in SCOPED else None,
        bare if code and name in BARE and bare != key else None,
    )


def _in_compartment(type_: str, owner: str) -> tuple[str, ...]:
    """The keys one of which a resource of the type has that lies in a compartment (`Device/1`)."""
    return tuple(f"{code}={owner}" for code in _codes(type_, owner.partition("/")[0]))


@lru_cache(maxsize=1_024)
def _codes(type_: str, owner: str) -> tuple[str, ...]:
    """The parameters that put a resource of the type into a compartment.

    What it lies in by being its owner, it has the key of the compartment itself for.
    """
    codes = definitions.load().compartments.get(owner, {}).get(type_, ())
    found = tuple(code for code in codes if code[:1] != "{")
    return (*found, _COMPARTMENT) if type_ == owner or not found else found


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
    return isinstance(first, str) and first.startswith(_PATIENT)


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
