"""`fhir-server package`: offline, the licence accepted, versions side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.command import run, running
from tests.cli.test_validate import profile, words


def package(folder: Path, version: str, **manifest: Any) -> Path:
    inner = folder / "package"
    inner.mkdir(parents=True)
    content = {"name": "test.p", "version": version, "license": "CC0-1.0", **manifest}
    (inner / "package.json").write_text(json.dumps(content))
    elements = [
        {"id": "Patient", "path": "Patient"},
        {"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1},
    ]
    definition = profile() | {
        "id": "p",
        "version": version,
        "differential": {"element": elements},
        "text": {"status": "generated", "div": "<div><script/></div>"},
    }
    (inner / "StructureDefinition-p.json").write_text(json.dumps(definition))
    (inner / "Patient-x.json").write_text('{"resourceType":"Patient","id":"x"}')
    (inner / "broken.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def test_a_package_takes_effect_in_a_running_server(data: Path, tmp_path: Path) -> None:
    first = package(tmp_path / "1", "1.0.0", dependencies={"other.p": "2.0.x"})
    with running("serve", "--open", "--port", "0", "--data", data) as server:
        refused = run("package", "add", first, "--data", data)
        assert refused.returncode == 1
        assert "Licence: CC0-1.0" in refused.stdout
        assert "--accept-licence" in refused.stderr
        for one in (first, package(tmp_path / "2", "1.1.0")):
            done = run("package", "add", one, "--accept-licence", "--data", data)
            assert done.returncode == 0, done.stderr
            assert "Loaded 1 resources of test.p#1." in done.stdout
            assert "broken.json" in done.stderr
            if one is first:
                assert "needs other.p#2.0.x, which is not loaded" in words(done.stderr)
        url = "http://example.org/p"
        found = httpx.get(f"{server.base}/StructureDefinition", params={"url": url}).json()
        versions = {entry["resource"]["version"] for entry in found["entry"]}
        assert versions == {"1.0.0", "1.1.0"}
        claiming = {"resourceType": "Patient", "meta": {"profile": [f"{url}|1.0.0"]}}
        answer = httpx.post(f"{server.base}/Patient", json=claiming)
        assert answer.status_code == 422
        assert "birthDate is required" in answer.text
        listed = run("package", "list", "--data", data)
        assert "test.p#1.0.0  1 resources  CC0-1.0" in listed.stdout
        assert "test.p#1.1.0" in listed.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no FHIR package"),
        ({"name": "a"}, "must state name and version"),
        ({"name": "a", "version": "1", "fhirVersions": ["5.0.0"]}, "is for FHIR 5.0.0"),
    ],
)
def test_what_is_no_package_is_one_clear_line(
    content: dict[str, Any] | None, says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    if content is not None:
        (folder / "package.json").write_text(json.dumps(content))
    done = run("package", "add", tmp_path, "--data", tmp_path / "data")
    assert done.returncode == 1
    assert says in words(done.stderr)
