"""`fhir-server demo`: what it prints works as printed."""

from __future__ import annotations

import json
import shutil
import subprocess

import httpx
import pytest

from tests.cli.command import running

curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    with running("demo", "--port", "0", "--data", tmp_path_factory.mktemp("demo")) as server:
        server.wait_for("Ctrl-C")
        yield server


def commands(lines: list[str]) -> list[str]:
    text = "\n".join(lines).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("curl ")]


def test_twelve_people_are_there(demo):
    answer = httpx.get(f"{demo.base}/Patient", params={"_total": "accurate"})
    assert answer.json()["total"] == 12
    assert "Loaded 2,813 entries of 13 files" in "\n".join(demo.lines)


def test_it_says_in_red_that_it_is_open(demo):
    assert any(line.startswith("OPEN:") for line in demo.complaints)


@curl
def test_every_request_that_is_printed_works_as_printed(demo):
    lines = commands(demo.lines)
    assert len(lines) >= 6
    for line in lines:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        assert answer["resourceType"] != "OperationOutcome", line
        if answer["resourceType"] == "Bundle":
            assert answer["entry"], line


def test_it_stops_in_order_and_starts_again_with_what_was_there(tmp_path):
    with running("demo", "--port", "0", "--data", tmp_path) as server:
        server.wait_for("Ctrl-C")
        assert server.end() == 0
    with running("demo", "--port", "0", "--data", tmp_path) as server:
        server.wait_for("Ctrl-C")
        assert not any(line.startswith("Loaded") for line in server.lines)
        patient = httpx.get(f"{server.base}/Patient/yanis-delorvel").json()
        assert patient["meta"]["versionId"] == "1"
