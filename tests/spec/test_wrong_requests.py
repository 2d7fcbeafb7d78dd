"""Wrong requests: each is refused with its status, issue code and place, and changes nothing.

A row of the table has its body as JSON (`body`), as text (`text`), as hexadecimal bytes (`hex`) or
as a text with a repeated middle (`repeat`: before, middle, times, after).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.app import create_app
from fhir_server.settings import Settings
from fhir_server.store import migrations
from tests.api.assertions import FHIR, assert_outcome, identified, patient
from tests.api.conftest import BASE

Row = dict[str, Any]

ROWS: list[Row] = json.loads(Path(__file__).with_name("wrong_requests.json").read_text())
DATABASE = "wrong_requests"
NOT_COMPARED = ("claims", "settings")
"""Collections that hold no content: who waited for whom, and the server's own secrets."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(mongodb: str) -> AsyncIterator[httpx.AsyncClient]:
    """One server for all rows: none of them changes anything."""
    await asyncio.to_thread(migrations.migrate, mongodb, DATABASE)
    settings = Settings(mongodb_uri=mongodb, mongodb_database=DATABASE, access="open")
    app = create_app(settings)
    async with app.opened():
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=BASE + "/") as caller:
            await _fill(caller)
            yield caller
    with MongoClient[dict[str, Any]](mongodb) as mongo:
        mongo.drop_database(DATABASE)


async def _fill(caller: httpx.AsyncClient) -> None:
    for resource in (
        identified("1", id="a", active=True, name=[{"family": "One"}]),
        identified("2", id="b"),
        identified("twin", id="c"),
        identified("twin", id="d"),
        patient(id="gone"),
        {"resourceType": "Binary", "id": "raw", "contentType": "text/plain", "data": "eA=="},
    ):
        url = f"{resource['resourceType']}/{resource['id']}"
        assert (await caller.put(url, json=resource, headers=FHIR)).status_code == 201
    assert (await caller.delete("Patient/gone")).status_code == 204


def _content(row: Row) -> bytes | None:
    if "body" in row:
        return json.dumps(row["body"]).encode()
    if "text" in row:
        return bytes(row["text"], "utf-8")
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    if "repeat" in row:
        before, middle, times, after = row["repeat"]
        return bytes(before + middle * times + after, "utf-8")
    return None


def _stored(mongodb: str) -> dict[str, str]:
    """A hash of every collection that holds content; of those, empty ones do not count."""
    with MongoClient[dict[str, Any]](mongodb) as mongo:
        database = mongo[DATABASE]
        empty = {name for name in database.list_collection_names() if not database[name].find_one()}
        hashes: dict[str, str] = database.command("dbHash")["collections"]
    return {k: v for k, v in hashes.items() if k not in empty and k not in NOT_COMPARED}


def test_the_table_is_wide_and_its_names_differ() -> None:
    assert len(ROWS) >= 120
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
async def test_a_wrong_request_is_refused(
    client: httpx.AsyncClient, mongodb: str, row: Row
) -> None:
    before = _stored(mongodb)
    method, _, path = row["request"].partition(" ")
    response = await client.request(
        method, path, content=_content(row), headers=row.get("headers", {})
    )
    issues = assert_outcome(response, row["status"], row["code"])
    assert issues[0].get("expression", [None])[0] == row.get("expression")
    assert "Traceback" not in response.text
    assert _stored(mongodb) == before
