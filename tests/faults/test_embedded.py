"""The embedded database outlives what happens to its server."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from fhir_server.errors import Unavailable
from fhir_server.store import embedded, process


def _put(uri: str, value: int) -> None:
    with MongoClient[dict[str, Any]](uri) as client:
        client.kept.things.replace_one({"_id": 1}, {"value": value}, upsert=True)


def _get(uri: str) -> int:
    with MongoClient[dict[str, Any]](uri) as client:
        found = client.kept.things.find_one({"_id": 1})
    assert found is not None
    return int(found["value"])


def test_it_is_private_and_stops_cleanly(tmp_path: Path) -> None:
    database = embedded.start(tmp_path, cache_gb=0.25)
    try:
        _put(database.uri, 1)
        assert embedded.running(tmp_path) == database.uri
        bare = "mongodb://" + database.uri.partition("@")[2].partition("/")[0]
        with MongoClient[dict[str, Any]](bare) as client, pytest.raises(OperationFailure):
            client.kept.things.find_one({})
        for name in ("password", "key", "state.json"):
            assert stat.S_IMODE((tmp_path / "mongod" / name).stat().st_mode) == 0o600
        with pytest.raises(Unavailable, match=r"uses the data folder .* --data"):
            embedded.start(tmp_path, cache_gb=0.25)
    finally:
        database.stop()
    assert embedded.running(tmp_path) is None
    assert process.started(database.pid) == ""
    assert (
        "Shutdown" in (tmp_path / "mongod" / "log").read_text()
        or "shutting down" in (tmp_path / "mongod" / "log").read_text()
    )


def test_it_moves_when_its_port_was_taken(tmp_path: Path) -> None:
    first = embedded.start(tmp_path, cache_gb=0.25)
    _put(first.uri, 5)
    first.stop()
    # The port is taken before it is written down as the last one: were it the other way round,
    # somebody else could take it in between, and give it back at the wrong moment.
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = squatter.getsockname()[1]
        record = tmp_path / "mongod" / "state.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"port": taken}))
        second = embedded.start(tmp_path, cache_gb=0.25)
        try:
            assert f":{taken}/" not in second.uri
            assert _get(second.uri) == 5
            _put(second.uri, 6)
        finally:
            second.stop()


def test_one_that_outlived_its_server_is_used_again(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time, pathlib
        from fhir_server.store import embedded
        print(embedded.start(pathlib.Path(sys.argv[1]), cache_gb=0.25).uri, flush=True)
        time.sleep(600)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    uri = child.stdout.readline().strip()
    _put(uri, 7)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    again = embedded.start(tmp_path, cache_gb=0.25)
    try:
        assert again.reused
        assert again.uri == uri
        assert _get(again.uri) == 7
    finally:
        again.stop()
    assert embedded.running(tmp_path) is None


def test_a_killed_database_starts_again(tmp_path: Path) -> None:
    first = embedded.start(tmp_path, cache_gb=0.25)
    with MongoClient[dict[str, Any]](first.uri, w="majority", journal=True) as client:
        client.kept.things.insert_one({"_id": 1, "value": 9})
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    second = embedded.start(tmp_path, cache_gb=0.25)
    try:
        assert not second.reused
        assert _get(second.uri) == 9
    finally:
        second.stop()


def test_a_foreign_process_under_the_recorded_id_is_left_alone(tmp_path: Path) -> None:
    first = embedded.start(tmp_path, cache_gb=0.25)
    first.stop()
    state = tmp_path / "mongod" / "state.json"
    ours = f'"pid": {os.getpid()}, "started": "{process.started(os.getpid())}"'
    state.write_text(f'{{{ours}, "port": 1}}')
    assert embedded.running(tmp_path) is None


def test_a_missing_binary_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"fhir-server\[embedded\].*FHIR_MONGODB_URI"):
        embedded.start(tmp_path)
