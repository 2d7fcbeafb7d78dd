"""Headless Chromium at the demo server, as anybody starts it.

Skipped where the browser or npm are missing; a failure with FHIR_REQUIRE_ORACLES=1.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from fhir_server.demo.accounts import APP, PASSWORD, PATIENT
from tests.browser.packages import packed
from tests.cli.command import Running, run, running

FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-domain-reliability"),
)


def lacking(message: str) -> None:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("FHIR_REQUIRE_ORACLES") == "1":
        pytest.fail(message)
    pytest.skip(message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser and one demo server for all: keep them in one worker."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("browser"))


# Not for the session: while it runs, so does its event loop, and no other can in this thread.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        lacking("chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=list(FLAGS)
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory):
    """From a package's name to its folder."""
    folders: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in folders:
            try:
                folders[name] = packed(name, tmp_path_factory.mktemp("npm"))
            except OSError as error:
                lacking(str(error))
        return folders[name]

    return find


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo server."""
    folder = tmp_path_factory.mktemp("demo")
    with running("demo", "--port", "0", "--data", folder) as server:
        server.wait_for("Ctrl-C")
        server.data = str(folder)
        yield server


@pytest.fixture
def launch(demo: Running) -> str:
    """A launch of the demo's app for a patient, as an EHR announces it."""
    data = demo.data
    made = run("clients", "add", "ehr", "--redirect", "https://ehr.example.org/", "--ehr",
               data=data)  # fmt: skip
    secret = re.search(r"\S{40,}", made.stdout)
    assert secret, made
    answer = httpx.post(
        demo.base.replace("/fhir", "/auth/launch"),
        json={"client_id": APP, "patient": PATIENT},
        auth=("ehr", secret[0]),
    )
    run("clients", "remove", "ehr", data=data)
    return answer.json()["launch"]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh browser window, in English; it fails the test if a page's script fails."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(20_000)
    window = context.new_page()
    faults: list[str] = []
    window.on("pageerror", lambda error: faults.append(str(error)))
    yield window
    context.close()
    assert not faults


def sign_in(page: Page, name: str) -> None:
    """Name and password, on the sign-in page."""
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("form[action='/sign-in'] button")


def allow(page: Page) -> None:
    """Yes to the app."""
    page.click("button[value=allow]")
