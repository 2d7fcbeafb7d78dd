"""`fhir-server demo`: what it prints works as printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import httpx
import pytest

from fhir_server.demo.accounts import ACCOUNTS, PASSWORD
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


def token(lines: list[str]) -> str:
    return next(line for line in lines if line.startswith("export TOKEN=")).partition("=")[2]


def bearer(demo) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(demo.lines)}"}


def test_twelve_people_are_there(demo):
    asked = {"_total": "accurate"}
    answer = httpx.get(f"{demo.base}/Patient", params=asked, headers=bearer(demo))
    assert answer.json()["total"] == 12
    assert "Loaded 2,814 entries of 14 files" in "\n".join(demo.lines)


def test_nobody_reads_without_a_token(demo):
    assert httpx.get(f"{demo.base}/Patient").status_code == 401


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_everybody_who_is_listed_signs_in(demo, account):
    assert any(re.match(rf"  {account.name} +\S", line) for line in demo.lines)
    root = demo.base.removesuffix("/fhir")
    with httpx.Client(base_url=root, follow_redirects=True) as browser:
        csrf = re.search(r'name="csrf" value="(\w+)"', browser.get("/account").text)[1]
        form = {"csrf": csrf, "name": account.name, "password": PASSWORD, "next": "/account"}
        page = browser.post("/sign-in", data=form)
        assert page.url.path == "/account"
        assert account.title in page.text


def test_the_sample_app_is_served_for_this_server(demo):
    app = next(line.strip() for line in demo.lines if line.startswith("  http://127.0.0.1"))
    page = httpx.get(app)
    assert page.status_code == 200
    assert f'SERVER = "{demo.base}"' in page.text


@curl
def test_every_request_that_is_printed_works_as_printed(demo):
    lines = commands(demo.lines)
    assert len(lines) >= 6
    known = {**os.environ, "TOKEN": token(demo.lines)}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, check=True, env=known
        )
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
        patient = httpx.get(f"{server.base}/Patient/yanis-delorvel", headers=bearer(server)).json()
        assert patient["meta"]["versionId"] == "1"
