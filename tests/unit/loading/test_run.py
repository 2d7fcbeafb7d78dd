"""Loading side by side: order, failures gathered, batches looked into."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from fhir_server.loading.answers import reasons
from fhir_server.loading.files import File
from fhir_server.loading.run import load
from fhir_server.loading.submissions import Reply, Submission
from fhir_server.loading.targets import remote

OUTCOME = json.dumps(
    {
        "resourceType": "OperationOutcome",
        "issue": [
            {"code": "structure", "diagnostics": "no", "expression": ["Patient.foo"]},
            {"code": "invariant", "details": {"text": "that neither"}},
        ],
    }
).encode()


def written(folder: Path, name: str, body: bytes) -> File:
    path = folder / name
    path.write_bytes(body)
    return File(name, path.suffix, path)


async def test_a_failed_file_is_reported_and_the_rest_goes_on(tmp_path):
    files = [
        written(tmp_path, f"{number}.json", b'{"resourceType":"Patient","id":"p%d"}' % number)
        for number in range(5)
    ]

    async def send(submission: Submission) -> Reply:
        return Reply(422, OUTCOME) if submission.path == "Patient/p2" else Reply(201, b"")

    done: list[tuple[int, int]] = []
    report = await load(files, send, 2, lambda size, entries: done.append((size, entries)))
    assert report.entries == 4
    (failure,) = report.failures
    assert (failure.file, failure.status) == ("2.json", 422)
    assert failure.reasons == ("Patient.foo: no", "invariant: that neither")
    assert sum(size for size, _ in done) == sum(file.size for file in files)
    assert sum(entries for _, entries in done) == 4


async def test_a_turn_is_over_before_the_next_begins(tmp_path):
    names = ["hospital1.json", "hospital2.json", "practitioner.json", "x.json"]
    files = [written(tmp_path, n, b'{"resourceType":"Patient","id":"%s"}' % n[:-5].encode())
             for n in names]  # fmt: skip
    seen: list[str] = []

    async def send(submission: Submission) -> Reply:
        await asyncio.sleep(0.01 if "hospital" in submission.path else 0)
        seen.append(submission.path.removeprefix("Patient/"))
        return Reply(201, b"")

    await load(files, send, 4, lambda *_: None)
    assert set(seen[:2]) == {"hospital1", "hospital2"}
    assert seen[2:] == ["practitioner", "x"]


async def test_entries_of_a_batch_that_failed_are_named(tmp_path):
    body = b'{"resourceType":"Bundle","type":"batch","entry":[{},{},{}]}'
    answer = {
        "entry": [
            {"response": {"status": "201 Created"}},
            {"response": {"status": "400", "outcome": json.loads(OUTCOME)}},
            {"response": {"status": "200"}},
        ]
    }

    async def send(_: Submission) -> Reply:
        return Reply(200, json.dumps(answer).encode())

    report = await load([written(tmp_path, "b.json", body)], send, 1, lambda *_: None)
    assert report.entries == 2
    (failure,) = report.failures
    assert (failure.place, failure.status) == ("entry[1]", 400)
    assert failure.reasons[0] == "Patient.foo: no"


async def test_lines_of_one_file_are_sent_side_by_side_but_not_without_bound(tmp_path):
    body = b"\n".join(b'{"resourceType":"Patient","id":"p%d"}' % n for n in range(100))
    under_way = most = 0

    async def send(_: Submission) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Reply(201, b"")

    report = await load([written(tmp_path, "p.ndjson", body)], send, 1, lambda *_: None)
    assert report.entries == 100
    assert 1 < most <= 32


async def test_a_fault_of_our_own_is_not_swallowed(tmp_path):
    async def send(_: Submission) -> Reply:
        raise RuntimeError("a defect")

    file = written(tmp_path, "p.json", b'{"resourceType":"Patient"}')
    with pytest.raises(ExceptionGroup):
        await load([file], send, 1, lambda *_: None)


async def test_a_server_that_is_not_there_is_a_failure_of_the_file(tmp_path):
    async with httpx.AsyncClient() as client:
        send = remote(client, "http://127.0.0.1:9")
        file = written(tmp_path, "p.json", b'{"resourceType":"Patient"}')
        report = await load([file], send, 1, lambda *_: None)
    (failure,) = report.failures
    assert failure.status == 0
    assert "did not answer" in failure.reasons[0]


async def test_an_overloaded_server_is_asked_again(tmp_path):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if len(asked) == 1:
            return httpx.Response(429, headers={"retry-after": "0"})
        return httpx.Response(201)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        file = written(tmp_path, "p.json", b'{"resourceType":"Patient","id":"p"}')
        report = await load(
            [file], remote(client, "http://fhir.example.org/r4"), 1, lambda *_: None
        )
    assert asked == ["http://fhir.example.org/r4/Patient/p"] * 2
    assert report.failures == []


def test_an_answer_that_is_no_outcome_is_shown_as_it_is():
    assert reasons(b"<html>Bad gateway</html>") == ("<html>Bad gateway</html>",)


@pytest.mark.parametrize("kind", ["x.ndjson", "x.json"])
async def test_progress_goes_with_the_file_and_comes_to_its_size(kind, tmp_path):
    line = b'{"resourceType":"Patient","text":"%s"}\n' % (b"x" * 1000)
    file = written(tmp_path, kind, line * 1000 if "nd" in kind else line)
    steps: list[int] = []

    async def send(_: Submission) -> Reply:
        return Reply(201, b"")

    await load([file], send, 1, lambda size, _: steps.append(size))
    steps = [step for step in steps if step]
    assert sum(steps) == file.size
    assert len(steps) > 3 or "nd" not in kind
