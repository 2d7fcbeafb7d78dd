"""`fhir-server serve`: closed by default, open on loopback only, ends in order."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from fhir_server.cli.serving import OwnProcess
from fhir_server.settings import Settings
from fhir_server.store import embedded
from tests.cli.command import run, running

PATIENT = {"resourceType": "Patient", "active": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose database was made already: later starts take less time."""
    return tmp_path_factory.mktemp("data")


def test_a_server_is_closed_until_it_is_told_whom_to_trust(folder):
    with running("serve", "--port", "0", "--data", folder) as server:
        base = server.base
        assert base.startswith("http://127.0.0.1:")
        assert base.endswith("/fhir")
        assert httpx.get(f"{base}/metadata").status_code == 200
        for answer in (httpx.get(f"{base}/Patient"), httpx.post(f"{base}/Patient", json=PATIENT)):
            assert answer.status_code == 401
            assert answer.json()["issue"][0]["code"] == "login"
        assert server.end() == 0
    assert embedded.running(folder) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_server_says_so_and_stops_with_its_database(folder, number):
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        assert httpx.post(f"{server.base}/Patient", json=PATIENT).status_code == 201
        assert server.end(number) == 0
        assert any(line.startswith("OPEN:") for line in server.complaints)
    assert embedded.running(folder) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_open_server_is_refused_where_others_could_reach_it(host, tmp_path):
    done = run("serve", "--open", "--host", host, "--port", "0", "--data", tmp_path)
    assert done.returncode == 1
    assert "loopback only" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_environment_cannot_open_it_to_others_either(tmp_path):
    done = run("serve", "--port", "0", "--data", tmp_path, access="open", host="0.0.0.0")
    assert done.returncode == 1
    assert "loopback only" in done.stderr


def test_a_second_server_on_the_same_folder_is_refused(folder):
    with running("serve", "--port", "0", "--data", folder) as server:
        assert server.base
        second = run("serve", "--port", "0", "--data", folder)
        assert second.returncode == 1
        assert f"process {server.process.pid}" in second.stderr
        assert "--data" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_one_clear_line(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = run("serve", "--port", str(port), "--data", tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_a_database_that_does_not_answer_is_one_clear_line(tmp_path):
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    done = run("serve", "--port", "0", "--data", tmp_path, mongodb_uri=uri)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_migrated_is_refused(mongodb, tmp_path):
    done = run("serve", "--port", "0", mongodb_uri=mongodb, mongodb_database="never_migrated")
    assert done.returncode == 1
    assert "fhir-server migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_server_leaves_nothing_in_the_way_of_the_next(folder):
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        made = httpx.post(f"{server.base}/Patient", json=PATIENT).json()
        server.end(signal.SIGKILL)
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        assert httpx.get(f"{server.base}/Patient/{made['id']}").status_code == 200


def test_several_processes_serve_one_address_and_stop_together(folder):
    arguments = ("serve", "--open", "--port", "0", "--workers", "2", "--data", folder)
    with running(*arguments) as server:
        base = server.base
        made = httpx.post(f"{base}/Patient", json=PATIENT).json()
        for _ in range(10):
            assert httpx.get(f"{base}/Patient/{made['id']}").status_code == 200
        assert server.end() == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{base}/metadata")
    assert embedded.running(folder) is None


def test_processes_end_when_the_one_that_began_them_is_killed(folder):
    arguments = ("serve", "--open", "--port", "0", "--workers", "2", "--data", folder)
    with running(*arguments) as server:
        base = server.base
        server.end(signal.SIGKILL)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            httpx.get(f"{base}/metadata", timeout=2)
        except httpx.TransportError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the processes still serve")
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        assert httpx.get(f"{server.base}/metadata").status_code == 200


async def test_requests_under_way_are_finished_before_it_stops(folder):
    entries = [
        {
            "resource": {**PATIENT, "id": f"p{n}"},
            "request": {"method": "PUT", "url": f"Patient/p{n}"},
        }
        for n in range(4000)
    ]
    bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        base = server.base
        async with httpx.AsyncClient(timeout=60) as client:
            headers = {"content-type": "application/fhir+json"}
            under_way = asyncio.create_task(client.post(base, content=bundle, headers=headers))
            await asyncio.sleep(0.2)
            assert not under_way.done()
            status = await asyncio.to_thread(server.end)
            answer = await under_way
        assert answer.status_code == 200
        assert len(answer.json()["entry"]) == 4000
        assert status == 0


async def test_a_serving_process_looks_for_no_garbage_in_its_tables(mongodb, database_name):
    before = gc.get_freeze_count(), gc.get_threshold()
    app = OwnProcess(Settings(mongodb_uri=mongodb, mongodb_database=database_name))
    try:
        async with app.opened():
            assert gc.get_freeze_count() > before[0] + 50_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before[1])
