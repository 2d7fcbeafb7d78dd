"""One table gives every error its status and IssueType."""

from __future__ import annotations

import pytest

from fhir_server import errors
from fhir_server.errors import FhirError, Issue, MultipleMatches, Unprocessable


def every_error() -> list[type[FhirError]]:
    found: list[type[FhirError]] = []
    waiting = FhirError.__subclasses__()
    while waiting:
        error = waiting.pop()
        if error.__module__ == errors.__name__:
            found.append(error)
        waiting += error.__subclasses__()
    return found


def test_every_error_has_its_row_and_stands_in_the_docstring() -> None:
    for error in every_error():
        status, code = errors.TABLE[error]
        line = next(
            row for row in (errors.__doc__ or "").splitlines() if f" {error.__name__} " in row
        )
        assert f" {status} {code}" in line


@pytest.mark.parametrize(
    ("place", "moved"),
    [
        ("Patient.name[0].family", "Bundle.entry[2].resource.name[0].family"),
        ("Patient", "Bundle.entry[2].resource"),
        ("name", "Bundle.entry[2].resource.name"),
    ],
)
def test_places_move_below_the_entry(place: str, moved: str) -> None:
    error = Unprocessable("wrong", expression=place).within("Bundle.entry[2].resource")
    assert error.issues[0].expression == (moved,)
    assert error.status == 422


def test_an_issue_without_a_place_gets_the_entry() -> None:
    error = MultipleMatches("two").within("Bundle.entry[0]")
    assert error.issues == (Issue("error", "multiple-matches", "two", ("Bundle.entry[0]",)),)
