"""`fhir-server load`: into the store and over HTTP, twice, with failures told at the end."""

from __future__ import annotations

import gzip
import json
import re
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest

from fhir_server.loading.report import MOST_REASONS
from fhir_server.store.process import command, started
from tests.cli.command import Running, run, running
from tests.oracles import shared


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of one server for the whole module."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    """An open server, beside which the command loads."""
    with running("serve", "--open", "--port", "0", "--data", folder) as server:
        assert server.base
        yield server


def total(server: Running, query: str) -> int:
    return int(httpx.get(f"{server.base}/{query}&_total=accurate").json()["total"])


def bundle(type_: str, *entries: dict[str, Any]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": type_, "entry": entries}).encode()


def conditional(name: str) -> dict[str, Any]:
    identifier = {"system": "https://example.org/people", "value": name}
    return {
        "fullUrl": f"urn:uuid:{name}",
        "resource": {"resourceType": "Patient", "identifier": [identifier]},
        "request": {
            "method": "POST",
            "url": "Patient",
            "ifNoneExist": f"identifier={identifier['system']}|{name}",
        },
    }


def into(server: Running, folder: Path, way: str) -> list[str | Path]:
    return ["--url", server.base] if way == "url" else ["--data", folder]


@pytest.mark.parametrize("way", ["store", "url"])
def test_running_it_twice_changes_nothing_where_entries_are_conditional(
    way, server, folder, tmp_path
):
    name = f"twice-{way}"
    (tmp_path / "a.json").write_bytes(bundle("transaction", conditional(name)))
    for _ in range(2):
        done = run("load", tmp_path, *into(server, folder, way))
        assert done.returncode == 0, done.stderr
        assert re.search(r"Loaded 1 entries of 1 files in [\d.]+ s \(\d+/s\)", done.stdout)
    (found,) = httpx.get(f"{server.base}/Patient", params={"identifier": name}).json()["entry"]
    assert found["resource"]["meta"]["versionId"] == "1"


@pytest.mark.parametrize("way", ["store", "url"])
def test_what_fails_is_told_at_the_end_and_the_rest_goes_on(way, server, folder, tmp_path):
    system = f"https://example.org/{way}"
    good = {"resourceType": "Patient", "identifier": [{"system": system, "value": "1"}]}
    (tmp_path / "a-bad.json").write_text('{"resourceType":"Patient","birthDate":"2023-02-30"}')
    (tmp_path / "b-broken.json").write_text('{"resourceType":')
    (tmp_path / "c-good.json").write_text(json.dumps(good))
    lines = [json.dumps(good), '{"resourceType":"Nonsense"}', json.dumps(good)]
    (tmp_path / "d.ndjson.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    done = run("load", tmp_path, *into(server, folder, way))
    assert done.returncode == 1
    assert "Loaded 3 entries of 4 files" in done.stdout
    assert total(server, f"Patient?identifier={system}|") == 3
    told = done.stderr
    assert "Patient.birthDate" in told
    assert re.search(r"a-bad\.json answered 4\d\d", told)
    assert "b-broken.json" in told
    assert "line 2" in told
    assert "3 failed" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("way", ["store", "url"])
def test_of_many_failures_the_first_are_told_and_the_others_counted(way, server, folder, tmp_path):
    (tmp_path / "a.ndjson").write_text("{\n" * (MOST_REASONS + 500))
    done = run("load", tmp_path, *into(server, folder, way))
    assert done.returncode == 1
    told = [int(line) for line in re.findall(r"a\.ndjson line (\d+)", done.stderr)]
    assert told == sorted(told)
    assert len(told) == MOST_REASONS
    assert "a.ndjson: 500 more that are only counted" in done.stderr
    assert f"{MOST_REASONS + 500:,} failed" in done.stderr


@pytest.mark.parametrize("way", ["store", "url"])
def test_a_file_that_is_cut_off_is_loaded_up_to_there(way, server, folder, tmp_path):
    system = f"https://example.org/cut/{way}"
    code = {"coding": [{"system": system}]}
    lines = (
        json.dumps({"resourceType": "Basic", "code": {**code, "text": token_hex(100)}})
        for _ in range(500)
    )
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "a.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.ndjson").write_text(json.dumps({"resourceType": "Basic", "code": code}))
    done = run("load", tmp_path, *into(server, folder, way))
    assert done.returncode == 1
    told = re.search(r"a\.ndjson\.gz after line (\d+)\s+The file cannot be unpacked", done.stderr)
    assert told, done.stderr
    loaded = int(told[1]) + 1
    assert 100 < loaded < 400
    assert f"Loaded {loaded} entries of 2 files" in done.stdout
    assert "1 failed" in done.stderr
    assert total(server, f"Basic?code={system}|") == loaded


def test_a_failing_transaction_names_its_entry_and_leaves_nothing(server, folder, tmp_path):
    bad = {
        "resource": {"resourceType": "Patient", "gender": "none"},
        "request": {"method": "POST", "url": "Patient"},
    }
    (tmp_path / "t.json").write_bytes(bundle("transaction", conditional("lost"), bad))
    done = run("load", tmp_path, "--data", folder)
    assert done.returncode == 1
    assert "Bundle.entry[1].resource.gender" in done.stderr
    assert total(server, "Patient?identifier=lost") == 0


def test_a_collection_is_stored_whole(server, folder, tmp_path):
    patient = {"resourceType": "Patient", "id": "of-a-collection"}
    note = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": "urn:uuid:p"}}
    entries = [{"fullUrl": "urn:uuid:p", "resource": patient}, {"resource": note}]
    (tmp_path / "c.json").write_bytes(bundle("collection", *entries))
    assert run("load", tmp_path, "--data", folder).returncode == 0
    assert total(server, "Basic?subject=Patient/of-a-collection") == 1


@pytest.mark.parametrize(
    ("name", "says"), [("gone.json", "is not there"), ("notes.txt", "is of no kind")]
)
def test_a_path_that_cannot_be_loaded_is_one_clear_line(name, says, tmp_path):
    (tmp_path / "notes.txt").write_text("no")
    done = run("load", tmp_path / name, "--data", tmp_path / "data")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def test_several_processes_load_what_one_would(server, folder, tmp_path):
    system = "https://example.org/several"
    code = {"coding": [{"system": system, "code": "x"}]}
    lines = [
        json.dumps({"resourceType": "Basic", "id": f"several-{n}", "code": code})
        for n in range(700)
    ]
    lines[300] = '{"resourceType":"Basic","id":"several-300"}'
    lines[301] = "{"
    again = {"resourceType": "Basic", "id": "several-0", "code": {**code, "text": "again"}}
    (tmp_path / "b.ndjson").write_text("\n".join([*lines, json.dumps(again)]))
    hospital = {"resourceType": "Organization", "identifier": [{"system": system, "value": "h"}]}
    post = {"method": "POST", "url": "Organization", "ifNoneExist": f"identifier={system}|h"}
    entry = {"fullUrl": "urn:uuid:h", "resource": hospital, "request": post}
    (tmp_path / "hospital.json").write_bytes(bundle("transaction", entry))
    named = {"reference": f"Organization?identifier={system}|h"}
    for n in range(4):
        person = {"resourceType": "Patient", "managingOrganization": named}
        person["identifier"] = [{"system": system, "value": str(n)}]
        criteria = f"identifier={system}|{n}"
        request = {"method": "POST", "url": "Patient", "ifNoneExist": criteria}
        entry = {"fullUrl": f"urn:uuid:{n}", "resource": person, "request": request}
        (tmp_path / f"{n}.json").write_bytes(bundle("transaction", entry))
    for version in (2, 4):
        done = run("load", tmp_path, "--data", folder, "--processes", "2")
        assert done.returncode == 1
        assert "Loaded 704 entries of 6 files" in done.stdout
        told = re.findall(r"b\.ndjson line (\d+)", done.stderr)
        assert told == ["301", "302"]
        assert "Basic.code" in done.stderr
        assert "2 failed" in done.stderr
        assert total(server, f"Basic?code={system}|x") == 698
        assert total(server, f"Patient?identifier={system}|") == 4
        assert total(server, f"Organization?identifier={system}|") == 1
        last = httpx.get(f"{server.base}/Basic/several-0").json()
        assert last["code"]["text"] == "again"
        assert last["meta"]["versionId"] == str(version)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_their_parent(number, server, folder, tmp_path):
    lines = (f'{{"resourceType":"Basic","code":{{"text":"{n}"}}}}' for n in range(60_000))
    (tmp_path / "b.ndjson").write_text("\n".join(lines))
    with running("load", tmp_path, "--data", folder, "--processes", "2") as loading:
        until = time.monotonic() + 60
        while len(children := spawned(loading.process.pid)) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(2)
        assert loading.process.poll() is None
        assert loading.end(number) != 0
        until = time.monotonic() + 20
        while any(started(child) for child in children):
            assert time.monotonic() < until, "a process outlived its parent"
            time.sleep(0.05)
    assert "Traceback" not in "".join(loading.complaints)


def spawned(pid: int) -> list[int]:
    """The processes that load for this one."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not Path("/proc/self/task").exists():
        pytest.skip("there is no /proc here")
    children = [int(child) for child in listed.read_text().split()]
    return [child for child in children if "spawn_main" in command(child)]


@pytest.mark.oracles
def test_the_synthetic_patients_load_without_one_error(tmp_path):
    files = shared("data/synthea")
    done = run("load", files, "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Loaded 11,712 entries of 22 files" in done.stdout


# Requests that these Bundles make of the server they were written for; and an id of 67 characters.
EXAMPLES_REFUSED = {
    "Bundle-bundle-references.json": "Observation/14 is touched by entries 5 and 6",
    "Bundle-bundle-request-medsallergies.json": "Patient/example",
    "Bundle-bundle-transaction.json": "Patient/123a does not exist",
    "Bundle-ussg-fht.json": "is not on this server",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": (
        "is no id: 1 to 64"
    ),
}


@pytest.mark.oracles
def test_the_official_examples_load(tmp_path):
    """Example Bundles of type transaction and batch are carried out, which not all of them bear."""
    done = run("load", shared("data/spec-examples/spec-examples.tar.gz"), "--data", tmp_path)
    for name, reason in EXAMPLES_REFUSED.items():
        assert name in done.stderr
        assert reason in done.stderr
    refused = set(re.findall(r"^\S+/(\S+\.json)", done.stderr, re.MULTILINE))
    assert refused == set(EXAMPLES_REFUSED)


@pytest.mark.oracles
def test_every_official_example_is_stored_as_the_resource_that_it_is(server):
    headers = {"content-type": "application/fhir+json", "prefer": "handling=lenient"}
    refused = {}
    with (
        tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive,
        httpx.Client(timeout=60, headers=headers) as client,
    ):
        files = [member for member in archive if member.isfile()]
        for member in files:
            extracted = archive.extractfile(member)
            assert extracted
            body = extracted.read()
            resource = json.loads(body)
            url = f"{server.base}/{resource['resourceType']}/{resource['id']}"
            answer = client.put(url, content=body)
            if answer.status_code != 201:
                refused[member.name.rpartition("/")[2]] = answer.text
    assert len(files) == 319
    assert list(refused) == [list(EXAMPLES_REFUSED)[-1]]
    assert "64" in refused[list(EXAMPLES_REFUSED)[-1]]
