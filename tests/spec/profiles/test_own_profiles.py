"""Our own profiles: sound, met by their examples, and broken for the right reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator
from fhir_server.validation.profiles.build_index import index, manifest
from fhir_server.validation.profiles.library import folder

VALIDATOR = Validator(load())
FOLDER = folder()
BASE = "https://fhir-server.example.org/StructureDefinition/"
PROFILES = sorted(FOLDER.glob("StructureDefinition-*.json"))
EXAMPLES = sorted((FOLDER / "examples").glob("*.json"))
COUNTER_EXAMPLES: list[dict[str, Any]] = json.loads(
    (FOLDER / "counter-examples" / "table.json").read_text()
)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def errors(resource: Any) -> list[Any]:
    return [i for i in VALIDATOR.validate(resource) if i.severity in ("error", "fatal")]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_is_sound_and_small(path: Path) -> None:
    definition = read(path)
    assert definition["url"] == BASE + definition["id"]
    assert "snapshot" not in definition
    assert errors(definition) == []
    assert path.stat().st_size < 20_000
    assert VALIDATOR.compiler.profile(definition["url"]), VALIDATOR.compiler.faulty


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_conforms(path: Path) -> None:
    assert errors(read(path)) == []


@pytest.mark.parametrize(
    "row", COUNTER_EXAMPLES, ids=lambda row: f"{row['example']}: {row['says']}"
)
def test_a_counter_example_fails_for_its_reason(row: dict[str, Any]) -> None:
    broken = jsonpatch.apply_patch(read(FOLDER / "examples" / row["example"]), row["patch"])
    found = errors(broken)
    assert any(row["place"] in i.expression and row["says"] in i.diagnostics for i in found), found


def test_every_profile_has_an_example_and_a_counter_example() -> None:
    claimed = {url for path in EXAMPLES for url in read(path)["meta"]["profile"]}
    urls = {read(path)["url"] for path in PROFILES if read(path)["type"] != "Extension"}
    assert claimed == urls
    broken = {row["example"] for row in COUNTER_EXAMPLES}
    assert broken == {path.name for path in EXAMPLES}


def test_manifest_and_index_tell_what_lies_there() -> None:
    assert (FOLDER / "manifest.json").read_bytes() == manifest(FOLDER)
    assert (FOLDER / "README.md").read_text() == index(FOLDER)
