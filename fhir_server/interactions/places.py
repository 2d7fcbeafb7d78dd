"""Where in a Bundle an error arose: its issues get the entry's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fhir_server.errors import FhirError, Issue

_PLACED = "Bundle.entry["


@contextmanager
def below(place: str) -> Iterator[None]:
    """Errors raised inside get their places moved below `place`, unless they name an entry."""
    try:
        yield
    except FhirError as error:
        raise moved_below(error, place) from None


@contextmanager
def at(place: str) -> Iterator[None]:
    """Errors raised inside get `place` itself as theirs."""
    try:
        yield
    except FhirError as error:
        issues = [Issue(i.severity, i.code, i.diagnostics, (place,)) for i in error.issues]
        raise type(error)(issues=issues, headers=error.headers) from None


def moved_below(error: FhirError, place: str) -> FhirError:
    """The error with its places below `place`, unless they name an entry already."""
    if any(where.startswith(_PLACED) for issue in error.issues for where in issue.expression):
        return error
    return error.within(place)
