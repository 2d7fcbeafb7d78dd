"""Another terminology server: asked for its systems alone, in bounded time, off by default."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.errors import Unavailable
from fhir_server.settings import Settings
from fhir_server.terminology.external import ExternalServer
from tests.api.assertions import assert_outcome

SYSTEM = "http://example.org/far"


class Far(ThreadingHTTPServer):
    """A small terminology server with two codes; `asked` has the paths that it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[str] = []
        self.status = 200
        self.delay = 0.0


class Answering(BaseHTTPRequestHandler):
    server: Far

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        values = {
            row["name"]: next(v for k, v in row.items() if k != "name") for row in body["parameter"]
        }
        self.server.asked.append(self.path)
        time.sleep(self.server.delay)
        status, answer = self.server.status, {}
        if status == 200 and self.path.endswith("$lookup"):
            status, answer = look_up(values["code"])
        elif status == 200:
            answer = expand(values)
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


def look_up(code: str) -> tuple[int, dict[str, Any]]:
    if code not in ("a", "b"):
        return 404, {"resourceType": "OperationOutcome"}
    parts = [{"name": "language", "valueCode": "fr"}, {"name": "value", "valueString": "Lettre"}]
    rows = [
        {"name": "name", "valueString": "Far"},
        {"name": "display", "valueString": f"Letter {code}"},
        {"name": "designation", "part": parts},
    ]
    return 200, {"resourceType": "Parameters", "parameter": rows}


def expand(values: dict[str, Any]) -> dict[str, Any]:
    filters = values["valueSet"]["compose"]["include"][0].get("filter", ())
    rows = [{"system": SYSTEM, "code": code, "display": f"Letter {code}"} for code in "ab"]
    for one in filters:
        if one["op"] == "generalizes":
            rows = rows[: 2 if one["value"] == "b" else 1]
    if "filter" in values:
        rows = [row for row in rows if row["display"].lower().endswith(values["filter"])]
    return {"resourceType": "ValueSet", "expansion": {"total": len(rows), "contains": rows}}


@pytest.fixture
def far() -> Iterator[Far]:
    server = Far()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(mongodb: str, database_name: str, far: Far) -> Settings:
    return Settings(
        mongodb_uri=mongodb,
        mongodb_database=database_name,
        access="open",
        terminology_url=f"http://127.0.0.1:{far.server_port}/fhir/",
        terminology_systems=(SYSTEM,),
    )


@pytest.fixture
async def alone(mongodb: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that names no other one."""
    app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open"))
    async with app.opened():
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8080/fhir/"
        ) as caller:
            yield caller


async def test_codes_are_looked_up_there_and_kept(client, far):
    ask = f"CodeSystem/$validate-code?url={SYSTEM}&code=a&displayLanguage=fr"
    for _ in range(3):
        found = {one["name"]: one for one in (await client.get(ask)).json()["parameter"]}
        assert found["result"]["valueBoolean"] is True
        assert found["display"]["valueString"] == "Lettre"
    assert far.asked == ["/fhir/CodeSystem/$lookup"]
    answer = await client.get(f"CodeSystem/$validate-code?url={SYSTEM}&code=z")
    assert answer.json()["parameter"][0]["valueBoolean"] is False


async def test_sets_are_expanded_there(client, far):
    answer = await client.get(f"ValueSet/$expand?url={SYSTEM}?fhir_vs&filter=b")
    assert [one["code"] for one in answer.json()["expansion"]["contains"]] == ["b"]
    answer = await client.get(f"CodeSystem/$subsumes?system={SYSTEM}&codeA=a&codeB=b")
    assert answer.json()["parameter"][0]["valueCode"] == "subsumes"


async def test_other_systems_are_never_asked_for(client, far):
    answer = await client.get("CodeSystem/$validate-code?url=http://example.org/x&code=a")
    assert_outcome(answer, 404, "not-found")
    await client.get("CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=kg")
    assert far.asked == []


async def test_where_it_fails_the_answer_says_so(client, far):
    far.status = 500
    issues = assert_outcome(
        await client.get(f"CodeSystem/$validate-code?url={SYSTEM}&code=a"), 503, "transient"
    )
    assert "127.0.0.1" in issues[0]["diagnostics"]
    far.status = 200
    answer = await client.get(f"CodeSystem/$validate-code?url={SYSTEM}&code=a")
    assert answer.status_code == 200  # a failure is not kept


async def test_it_is_not_waited_for_without_bounds(far):
    far.delay = 1.0
    server = ExternalServer(f"http://127.0.0.1:{far.server_port}/fhir", [SYSTEM], patience=0.1)
    start = time.perf_counter()
    with pytest.raises(Unavailable):
        await server.ask("CodeSystem/$lookup", {"name": "code", "valueCode": "b"})
    assert time.perf_counter() - start < 0.9
    await server.close()


async def test_without_a_setting_nobody_is_asked(alone, far):
    answer = await alone.get(f"CodeSystem/$validate-code?url={SYSTEM}&code=a")
    assert_outcome(answer, 404, "not-found")
    assert far.asked == []
