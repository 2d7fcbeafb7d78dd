"""docs/search.md says the limits and the refusals that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.interactions.inclusion import MAX_INCLUDED, MAX_ROUNDS
from fhir_server.search.chain import MAX_CHAINED
from fhir_server.search.request import UNSUPPORTED
from fhir_server.search.sort import MAX_SORTED

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
REFUSED = PAGE.partition("## Not supported")[2]


@pytest.mark.parametrize("name", sorted(UNSUPPORTED.keys() - {"_type"}))
def test_every_refused_parameter_is_written_down(name: str) -> None:
    assert f"`{name}`" in REFUSED


@pytest.mark.parametrize(
    "text",
    [
        f"at most {MAX_SORTED:,} matches",
        f"may find {MAX_CHAINED:,} resources",
        f"brings in {MAX_INCLUDED:,} resources",
        f"goes {MAX_ROUNDS} steps",
    ],
)
def test_the_limits_are_those_of_the_code(text: str) -> None:
    assert text in " ".join(PAGE.split())
