"""Every item of the search section of the conformance list has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ITEMS = [f"Q-{number:02}" for number in range(1, 61)]
_OWN = Path(__file__).name


def _named() -> set[str]:
    """The items that are named where tests are: docstrings, rows of tables, comments on rows."""
    found: set[str] = set()
    for path in TESTS.rglob("*"):
        if path.suffix in (".py", ".yaml", ".json") and path.name != _OWN:
            found.update(re.findall(r"\bQ-\d\d\b", path.read_text()))
    return found


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_has_a_test_that_names_it(item: str) -> None:
    assert item in _named()
