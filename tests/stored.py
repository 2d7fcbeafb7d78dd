"""Versions for the tests of the store: small Observations with the keys that a test asks for."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.search.keys import Keys, Range
from fhir_server.store.resources import Version

OPEN = Grant.system("tests")


def version(
    id_: str,
    number: int = 1,
    *,
    type_: str = "Observation",
    updated: int = 1_000_000,
    method: str = "",
    keys: Sequence[str] = (),
    patient: str | None = "1",
    date: int | None = None,
    raw: bytes | None = None,
    ranges: Sequence[Range] = (),
) -> Version:
    """A version whose bytes say its id and number; it has the key `*` and `keys`."""
    body = raw or f'{{"resourceType":"{type_}","id":"{id_}","n":{number}}}'.encode()
    return Version(
        type_,
        id_,
        number,
        updated,
        body,
        method or ("POST" if number == 1 else "PUT"),
        Keys(patient, date, date, ["*", *keys], list(ranges)),
    )


def deletion(old: Version, updated: int = 0) -> Version:
    """The tombstone after a version."""
    return Version(
        old.type,
        old.id,
        old.version + 1,
        updated or old.updated + 1_000,
        b"",
        "DELETE",
        deleted=True,
    )


def narrow(*keys: str, actions: Sequence[Action] = tuple(Action)) -> Grant:
    """A grant for what has one of the keys."""
    return Grant("test", "a rule", (Rule(frozenset(actions), None, (frozenset(keys),)),))
