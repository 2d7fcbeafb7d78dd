"""docs/cli.md against the commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from fhir_server.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section on {name}"
    return found[1]


def options(name: str) -> set[str]:
    parameters = COMMANDS[name].params
    return {o for p in parameters for o in p.opts if o.startswith("--") and o != "--help"}


def test_every_command_has_its_section_and_no_section_is_of_none():
    assert re.findall(r"^## (.*)", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_shown_and_none_that_is_not_there(name):
    usage = section(name).strip().splitlines()[0]
    assert usage.strip().startswith(f"fhir-server {name}")
    assert set(re.findall(r"--[a-z-]+", usage)) == options(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name):
    assert len(COMMANDS[name].help.splitlines()[0]) > 20


@pytest.mark.parametrize("name", ["README.md", "docs/cli.md", "CONTRIBUTING.md"])
def test_commands_in_the_docs_exist(name):
    named = set(re.findall(r"`?fhir-server ([a-z]+)\b", (ROOT / name).read_text()))
    assert named <= set(COMMANDS)
