"""Lots of a load on a real store: what a line comes to, stored as by any other write."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_server.app import open_services
from fhir_server.loading.lots import Lot, lots
from fhir_server.loading.report import Report
from fhir_server.loading.submissions import Submission, submissions
from fhir_server.loading.targets import direct
from fhir_server.loading.together import take_in
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.store.database import Database
from fhir_server.store.resources import Store
from tests.bench import data
from tests.stored import OPEN

TOLD_ONCE = ("_id", "u", "w", "raw")
"""Of two resources of the same content these differ."""


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """The parts of a server, as a process that loads has them."""
    async with open_services(settings) as opened:
        yield opened


def lot(*resources: dict[str, Any]) -> Lot:
    body = b"\n".join(json.dumps(one).encode() for one in resources)
    (made,) = lots("f.ndjson", submissions(".ndjson", io.BytesIO(body)))
    return made


def basic(id_: str = "", **more: Any) -> dict[str, Any]:
    own = {"id": id_} if id_ else {}
    return {"resourceType": "Basic", **own, "code": {"text": "x"}, **more}


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """What two resources of one content have in common; the keys are in no order."""
    return {
        name: sorted(value, key=repr) if isinstance(value, list) else value
        for name, value in document.items()
        if name not in TOLD_ONCE
    }


async def version_of(services: Services, id_: str) -> tuple[int, str]:
    found = await services.store.read("Basic", id_, OPEN)
    return found.version, found.method


async def test_each_line_comes_to_what_it_would_alone(services):
    await take_in(lot(basic("known"), basic("deleted")), services)
    deleted = await direct(services)(Submission("DELETE", "Basic/deleted", b"", 1))
    assert deleted.status == 204
    lines = [
        basic("new"),
        basic("known"),
        basic("deleted"),
        basic(),
        basic("wrong", created="yesterday"),
        {"resourceType": "Nonsense", "id": "x"},
        basic("no id of FHIR"),
        {"resourceType": "Patient", "id": "other", "gender": "female"},
    ]
    report = await take_in(lot(*lines), services)
    assert report.entries == 5
    told = {one.place: (one.status, one.reasons[0]) for one in report.failures}
    assert sorted(told) == ["line 5", "line 6", "line 7"]
    assert told["line 5"][0] == 422
    assert told["line 5"][1].startswith("Basic.created: ")
    assert told["line 6"][0] == 404
    assert told["line 7"][0] == 400
    assert await version_of(services, "new") == (1, "PUT")
    assert await version_of(services, "known") == (2, "PUT")
    assert await version_of(services, "deleted") == (3, "PUT")
    assert (await services.store.read("Patient", "other", OPEN)).version == 1
    assert await services.store.count("Basic", {"m": "POST"}, OPEN) == 1


async def test_a_line_is_stored_as_a_request_is(services):
    (resource,) = data.observations(7, 1)[:1]
    together, alone = ({**resource, "id": id_} for id_ in ("together", "alone"))
    await take_in(lot(together), services)
    (item,) = lot(alone).items
    assert (await direct(services)(item)).status == 201
    collection = services.store.collections.current("Observation")
    first = await collection.find_one({"_id": "together"})
    second = await collection.find_one({"_id": "alone"})
    assert comparable(first) == comparable(second)
    raw = (await services.store.read("Observation", "together", OPEN)).raw
    assert json.loads(raw) | {"meta": {}} == together | {"meta": {}}


async def test_who_comes_second_to_an_id_makes_the_next_version(services):
    ids = [f"b{number}" for number in range(100)]
    both: list[Report] = await asyncio.gather(
        *(take_in(lot(*(basic(id_) for id_ in ids)), services) for _ in range(2))
    )
    assert [report.entries for report in both] == [100, 100]
    assert [report.failures for report in both] == [[], []]
    assert {await version_of(services, id_) for id_ in ids} == {(2, "PUT")}


async def test_where_no_update_creates_a_new_id_is_refused(services):
    closed = services.settings.model_copy(update={"update_create": False})
    report = await take_in(lot(basic("new"), basic()), replace(services, settings=closed))
    assert report.entries == 1
    (failure,) = report.failures
    assert (failure.place, failure.status) == ("line 1", 405)


async def test_where_references_are_checked_they_may_lead_to_lines_before(services):
    checked = services.settings.model_copy(update={"reference_check": True})
    strict = replace(services, settings=checked)
    await take_in(lot({"resourceType": "Patient", "id": "p"}), strict)
    right = basic("right", subject={"reference": "Patient/p"})
    report = await take_in(lot(right, basic("lost", subject={"reference": "Patient/q"})), strict)
    assert report.entries == 1
    (failure,) = report.failures
    assert "Patient/q does not exist" in failure.reasons[0]


async def test_a_database_that_is_away_is_told_of_each_line(services):
    database = Database("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100", "away")
    report = await take_in(lot(basic("a"), basic()), replace(services, store=Store(database)))
    # The driver tries again just now, and closed amidst that it leaves a socket open.
    await asyncio.sleep(0.2)
    await database.close()
    assert report.entries == 0
    assert [(one.place, one.status) for one in report.failures] == [
        ("line 1", 503),
        ("line 2", 503),
    ]
