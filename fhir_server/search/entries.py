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

from collections.abc import Sequence
from functools import lru_cache

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

_NOTED = SCOPED | BARE | OWN

PATIENT = "Patient/"
"""What an entry within a record begins with."""


def entries(type_: str, patient: str | None, keys: Sequence[str]) -> list[str]:
    """What the index has for a resource with these keys; `patient` is its `p`."""
    found: list[str] = []
    before = f"{PATIENT}{patient} "
    within = patient is not None and type_ != "Patient"
    records = {} if patient is None else {f"{before}*": None}
    theirs: dict[str, None] = {}
    for key in keys:
        name, _, value = key.partition("=")
        if name not in _NOTED:
            found.append(key)
        elif name not in OWN:
            code, bare = _parts(key)
            if within and code is not None:
                theirs[before + code] = None
            if bare is None or bare not in keys:
                found.append(key)
        elif value.startswith(PATIENT) and value.find("/", 8) < 0:
            records[f"{value} *"] = None
        elif name != _COMPARTMENT or _COMPARTMENT in _codes(type_, value.partition("/")[0]):
            found.append(key)
    return [*found, *records, *theirs]


def entries_of(type_: str, key: str) -> Sequence[str]:
    """The entries one of which a resource with the key has."""
    name, _, value = key.partition("=")
    if name not in _NOTED:
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
