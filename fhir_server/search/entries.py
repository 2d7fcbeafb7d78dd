"""What of a resource's keys the index has.

Filters speak of all keys (`k`) and of the patient (`p`). The index has the field `b`: most keys as
they are, and some with the patient before them, so that one index serves both what all records have
and what one record has:

- `Patient/1 *` for each patient whose record it is in the widest sense. Keys that say no more than
  that (`in=Patient/1`, `patient=Patient/1`, `subject=Patient/1`) have no entry of their own;
- `Patient/1 code=8480-6` for the patient `p` and the parameters of `SCOPED`, without code systems,
  which a single record hardly needs;
- no `in=Encounter/1`: that is in the references which make the compartment;
- no `status=system|final` beside `status=final`, where codes have one system by their binding.

Which entries there are, and which of them a key is found by, goes by the text of the keys alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from fhir_server.fhir import definitions
from fhir_server.search.values import code_of

FIELD = "b"
"""The field that the index has."""

EVERY = "*"
"""The key, and the entry, of every resource."""

SCOPED = frozenset(
    (
        *("code", "component-code", "value-concept", "vaccine-code", "category", "type", "class"),
        *("status", "clinical-status", "verification-status", "lifecycle-status", "intent"),
    )
)
"""Parameters by which few resources are found within one record."""

BARE = frozenset(("status", "lifecycle-status", "intent", "priority", "gender"))
"""Parameters whose codes have one system, so that their keys with it have no entry."""

_COMPARTMENT = "in"

OWN = frozenset(("patient", "subject", _COMPARTMENT))
"""What says whose record a resource belongs to."""

NOTED = SCOPED | BARE | OWN
"""Parameters whose keys are not simply the entries for them."""

PATIENT = "Patient/"
"""What an entry within a record begins with."""


_Set: TypeAlias = dict[str, None]


class Parted(NamedTuple):
    """Keys of a resource, and what the index has of them whosever record it is.

    `keys` are entries as they are, `hidden` are not. `records` are entries for whole records;
    `scoped` stand behind the patient that the resource belongs to in further ones.
    """

    keys: _Set
    hidden: _Set
    records: _Set
    scoped: _Set


def entries(type_: str, patient: str | None, keys: Sequence[str]) -> list[str]:
    """What the index has for a resource with these keys; `patient` is its `p`."""
    found = parted(type_, dict.fromkeys(keys))
    return [*found.keys, *of_records(type_, patient, found.records, found.scoped)]


def parted(type_: str, keys: _Set) -> Parted:
    """Keys of a resource, among them all that the same token has, by what the index has of them."""
    found = Parted({}, {}, {}, {})
    plain, hidden, records, scoped = found
    for key in keys:
        name, _, value = key.partition("=")
        if name not in NOTED:
            plain[key] = None
        elif name not in OWN:
            code, bare = _parts(key)
            if code is not None:
                scoped[code] = None
            (plain if bare is None or bare not in keys else hidden)[key] = None
        elif value.startswith(PATIENT) and value.find("/", 8) < 0:
            records[f"{value} *"] = None
            hidden[key] = None
        elif name != _COMPARTMENT or _COMPARTMENT in _codes(type_, value.partition("/")[0]):
            plain[key] = None
        else:
            hidden[key] = None
    return found


def of_records(
    type_: str, patient: str | None, records: Iterable[str], scoped: Iterable[str]
) -> list[str]:
    """The entries for records, the patient's own first, and those within that."""
    if patient is None:
        return [*records]
    own = f"{PATIENT}{patient} *"
    found = [own]
    for record in records:
        if record != own:
            found.append(record)
    if type_ != "Patient":
        before = own[:-1]
        for one in scoped:
            found.append(before + one)
    return found


def entries_of(type_: str, key: str) -> Sequence[str]:
    """The entries one of which a resource with the key has."""
    name, _, value = key.partition("=")
    if name not in NOTED:
        return (key,)
    if name not in OWN:
        bare = _parts(key)[1]
        return (key,) if bare is None else (bare, key)
    if value[:8] == PATIENT and "/" not in value[8:]:
        return (f"{value} *",)
    if name != _COMPARTMENT:
        return (key,)
    return tuple(f"{code}={value}" for code in _codes(type_, value.partition("/")[0]))


def scoped(key: str) -> str | None:
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


@lru_cache(maxsize=1_024)
def _codes(type_: str, owner: str) -> tuple[str, ...]:
    """The parameters that put a resource of the type into a compartment.

    What it lies in by being its owner, it has the key of the compartment itself for.
    """
    codes = definitions.load().compartments.get(owner, {}).get(type_, ())
    found = tuple(code for code in codes if code[:1] != "{")
    return (*found, _COMPARTMENT) if type_ == owner or not found else found
