"""Paging cursors hold only for their own query, caller and key (Q-15, Q-16)."""

from __future__ import annotations

import pytest

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.errors import MalformedRequest
from fhir_server.search.cursor import Cursor, sign, verify

KEY = b"k" * 32
OTHER = Grant("scopes", "patient", (Rule(frozenset({Action.SEARCH}), frozenset({"Patient"})),))
PLACE = Cursor((1_700_000_000_000_000, None, "a-1"), True, 1700000000 << 32, 250)


def test_a_cursor_comes_back_as_it_was_signed() -> None:
    text = sign(PLACE, "Observation?code=x", Grant.open(), KEY)
    assert verify(text, "Observation?code=x", Grant.open(), KEY) == PLACE


@pytest.mark.parametrize(
    ("query", "grant", "key"),
    [
        ("Observation?code=y", Grant.open(), KEY),
        ("Observation?code=x", OTHER, KEY),
        ("Observation?code=x", Grant.open(), b"z" * 32),
    ],
    ids=["another query", "another caller", "another server"],
)
def test_a_foreign_cursor_is_refused(query: str, grant: Grant, key: bytes) -> None:
    text = sign(PLACE, "Observation?code=x", Grant.open(), KEY)
    with pytest.raises(MalformedRequest):
        verify(text, query, grant, key)


@pytest.mark.parametrize("text", ["x", "AAAA", "é", "a" * 5000, "=====", " ", "%00"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest):
        verify(text, "Observation?code=x", Grant.open(), KEY)


def test_every_changed_character_is_noticed() -> None:
    text = sign(PLACE, "q", Grant.open(), KEY)
    for at, letter in enumerate(text[:-1]):
        changed = text[:at] + ("A" if letter != "A" else "B") + text[at + 1 :]
        with pytest.raises(MalformedRequest):
            verify(changed, "q", Grant.open(), KEY)


def test_grants_that_permit_the_same_share_cursors_in_any_process() -> None:
    first = Grant(
        "scopes", "r", (Rule(frozenset(Action), frozenset({"Patient", "Group", "List"})),)
    )
    second = Grant(
        "scopes", "r", (Rule(frozenset(Action), frozenset({"List", "Group", "Patient"})),)
    )
    assert verify(sign(PLACE, "q", first, KEY), "q", second, KEY) == PLACE
