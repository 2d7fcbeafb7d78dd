"""SIGTERM ends a command as Ctrl-C does: nothing of it stays behind."""

from __future__ import annotations

import json
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fhir_server.store import embedded
from tests.cli.command import running

ENDING = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands make theirs."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """More records than are loaded or validated while somebody looks."""
    lines = (json.dumps({"resourceType": "Basic", "code": {"text": str(n)}}) for n in range(99_999))
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("b.ndjson", "\n".join(lines))
    return path


def until(what: Callable[[], object]) -> None:
    limit = time.monotonic() + 60
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_load_leaves_no_folder_and_no_database(number, processes, scratch, archive, tmp_path):
    data = tmp_path / "data"
    with running("load", archive, "--data", data, "--processes", processes) as loading:
        until(lambda: embedded.running(data) and list(scratch.glob("fhir-load-*/*/*")))
        time.sleep(2)
        assert loading.process.poll() is None
        assert loading.end(number) != 0
    assert list(scratch.iterdir()) == []
    assert embedded.running(data) is None
    assert "Traceback" not in "".join(loading.complaints)


@pytest.mark.parametrize("number", ENDING)
def test_a_validation_leaves_no_folder(number, scratch, archive):
    with running("validate", archive, "--quiet") as validating:
        until(lambda: list(scratch.glob("fhir-validate-*/*/*")))
        assert validating.end(number) != 0
    assert list(scratch.iterdir()) == []


@pytest.fixture
def without_ctrl_c() -> Iterator[None]:
    """As `sh` has it for what ends with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("command", [["validate", "--quiet"], ["load", "--processes", "1"]])
@pytest.mark.usefixtures("without_ctrl_c")
def test_it_ends_where_a_shell_keeps_ctrl_c_from_it(command, scratch, archive, tmp_path):
    data = ["--data", tmp_path / "data"] if command[0] == "load" else []
    with running(*command, archive, *data) as going:
        until(lambda: list(scratch.glob("fhir-*/*/*")))
        time.sleep(2)
        going.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert going.process.poll() is None
        assert going.end(signal.SIGTERM) != 0
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in "".join(going.complaints)
