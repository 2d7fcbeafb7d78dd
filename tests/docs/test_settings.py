"""docs/settings.md against `Settings`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhir_server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
ROWS = re.findall(r"^\| `(FHIR_\w+)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


def default(name: str) -> str:
    value = Settings.model_fields[name].default
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return (
        f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"
    )


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_row(name):
    row = (f"FHIR_{name.upper()}", default(name), Settings.model_fields[name].description)
    assert row in ROWS


def test_no_row_is_of_a_setting_that_does_not_exist():
    assert {row[0] for row in ROWS} == {f"FHIR_{name.upper()}" for name in Settings.model_fields}
