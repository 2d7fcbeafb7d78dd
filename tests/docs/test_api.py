"""docs/api.md against the table of routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhir_server.dispatch import ROUTES
from fhir_server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
ROWS = dict(re.findall(r"^\| ([a-z][a-z-]+) \| (.*?) \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.shape}")
def test_every_route_is_in_the_table(route):
    assert route.method in ROWS[route.code]
    shape = route.shape.format(type="Type", id="id", version="version", member="Member")
    assert shape in ROWS[route.code]


def test_no_row_is_of_an_interaction_that_does_not_exist():
    assert list(ROWS) == list(dict.fromkeys(route.code for route in ROUTES))


def test_the_settings_that_it_names_exist():
    named = {name.lower() for name in re.findall(r"FHIR_([A-Z_]+)", PAGE)}
    assert named
    assert named <= set(Settings.model_fields)
