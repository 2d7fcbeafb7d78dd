"""docs/smart.md against the table of endpoints and the settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fhir_server.http.smart import add_smart
from fhir_server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "smart.md").read_text()
ROWS = re.findall(r"^\| `(/[^`]*)` \|", PAGE, re.MULTILINE)


def routes() -> list[str]:
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_smart(pages, Settings())
    found: list[Any] = list(pages.router.routes)
    return [route.path for route in found]


def test_every_endpoint_has_its_row_and_no_row_is_of_none():
    assert routes() == ROWS


@pytest.mark.parametrize("name", sorted(set(re.findall(r"FHIR_([A-Z_]+)", PAGE))))
def test_the_settings_that_it_names_exist(name):
    assert name.lower() in Settings.model_fields


@pytest.mark.parametrize(
    "name",
    [n for n in Settings.model_fields if n.startswith("test_") or n in ("clients_file",)],
)
def test_every_test_setting_is_on_the_page(name):
    assert f"FHIR_{name.upper()}" in PAGE


def test_the_lifetimes_are_the_defaults():
    settings = Settings()
    assert settings.code_seconds == 60
    assert settings.token_seconds == 15 * 60
    assert settings.backend_token_seconds == 5 * 60
    assert settings.refresh_seconds == 90 * 86_400
    assert settings.refresh_grace_seconds == 10
    assert settings.launch_seconds == 5 * 60
    assert settings.key_seconds == 90 * 86_400
