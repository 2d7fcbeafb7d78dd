"""Conditional create, update, patch and delete. https://hl7.org/fhir/R4/http.html#ccreate"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from tests.api.assertions import FHIR, assert_outcome, assert_written, identified, patient

SYSTEM = "urn:example:mrn"


def unless(criteria: str) -> dict[str, str]:
    return {**FHIR, "If-None-Exist": criteria}


async def total(client: httpx.AsyncClient, query: str = "") -> int:
    found: int = (await client.get(f"Patient?_total=accurate&{query}")).json()["total"]
    return found


async def test_conditional_create_creates_once(client: httpx.AsyncClient) -> None:
    """R-07: 201, then 200 with the one that is there and nothing stored."""
    criteria = f"identifier={SYSTEM}|1"
    first = await client.post("Patient", json=identified("1"), headers=unless(criteria))
    reference = assert_written(first, 201, 1)
    for form in (criteria, f"Patient?{criteria}", f"?{criteria}", "identifier=urn:example:mrn%7C1"):
        again = await client.post("Patient", json=identified("1"), headers=unless(form))
        assert assert_written(again, 200, 1) == reference
    assert await total(client) == 1
    await client.post("Patient", json=identified("1"), headers=FHIR)
    many = await client.post("Patient", json=identified("1"), headers=unless(criteria))
    assert_outcome(many, 412, "multiple-matches")
    assert await total(client) == 2


@pytest.mark.parametrize(
    "criteria",
    [
        *("", "?", "_format=json", "identifier=", "identifier=,", "Observation?code=1"),
        *("unknown=1", "identifier:below=1", "_count=1", "_sort=family"),
        *("_include=Patient:organization", "birthdate=yesterday", "identifier=%FF"),
    ],
)
async def test_criteria_that_might_match_everything_are_refused(
    client: httpx.AsyncClient, criteria: str
) -> None:
    """R-07, whatever the caller's handling: a condition ignored would be a wrong answer."""
    headers = {**unless(criteria), "Prefer": "handling=lenient"}
    response = await client.post("Patient", json=identified("1"), headers=headers)
    assert response.status_code == 400, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    assert await total(client) == 0


async def test_of_many_identical_conditional_creates_one_creates(
    client: httpx.AsyncClient,
) -> None:
    """R-07, P-01: also where the order and escapes of the criteria differ."""
    forms = [f"identifier={SYSTEM}|1&active=true", "active=true&identifier=urn:example:mrn%7C1"]
    body = identified("1", active=True)

    async def create(number: int) -> httpx.Response:
        return await client.post("Patient", json=body, headers=unless(forms[number % 2]))

    for _ in range(3):
        answers = await asyncio.gather(*(create(number) for number in range(64)))
        created = [answer for answer in answers if answer.status_code == 201]
        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len(created) == 1
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert await total(client) == 1
        location = created[0].headers["location"]
        await client.delete("Patient/" + location.split("/")[-3])


async def test_conditional_update_creates_without_a_match(client: httpx.AsyncClient) -> None:
    """R-13: under an id of the server's own, or under the body's."""
    body = identified("1")
    created = await client.put(f"Patient?identifier={SYSTEM}|1", json=body, headers=FHIR)
    reference = assert_written(created, 201, 1)
    assert (await client.get(reference)).status_code == 200
    named = identified("2", id="mine")
    created = await client.put(f"Patient?identifier={SYSTEM}|2", json=named, headers=FHIR)
    assert assert_written(created, 201, 1) == "Patient/mine"


async def test_conditional_update_updates_the_one_match(client: httpx.AsyncClient) -> None:
    """R-13: the body's id is absent or the same."""
    url = f"Patient?identifier={SYSTEM}|1"
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    for version, body in ((2, identified("1")), (3, identified("1", id="a"))):
        response = await client.put(url, json=body, headers=FHIR)
        assert assert_written(response, 200, version) == "Patient/a"
        assert response.json()["id"] == "a"
    other = await client.put(url, json=identified("1", id="b"), headers=FHIR)
    assert_outcome(other, 400, "invalid", "Patient.id")
    await client.post("Patient", json=identified("1"), headers=FHIR)
    many = await client.put(url, json=identified("1"), headers=FHIR)
    assert_outcome(many, 412, "multiple-matches")


async def test_conditional_update_does_not_touch_what_does_not_match(
    client: httpx.AsyncClient,
) -> None:
    """R-13, P-04: no match, and the body's id names something."""
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    url = f"Patient?identifier={SYSTEM}|2"
    response = await client.put(url, json=identified("2", id="a"), headers=FHIR)
    assert_outcome(response, 409, "conflict")
    assert (await client.get("Patient/a")).json()["meta"]["versionId"] == "1"


async def test_if_match_guards_a_conditional_update(client: httpx.AsyncClient) -> None:
    """R-11."""
    url = f"Patient?identifier={SYSTEM}|1"
    headers = {**FHIR, "If-Match": 'W/"1"'}
    absent = await client.put(url, json=identified("1"), headers=headers)
    assert_outcome(absent, 412, "conflict")
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    assert_written(await client.put(url, json=identified("1"), headers=headers), 200, 2)
    stale = await client.put(url, json=identified("1"), headers=headers)
    assert_outcome(stale, 412, "conflict")


async def test_of_many_identical_conditional_updates_one_creates(
    client: httpx.AsyncClient,
) -> None:
    """P-01."""

    async def put() -> httpx.Response:
        url = f"Patient?identifier={SYSTEM}|1"
        return await client.put(url, json=identified("1"), headers=FHIR)

    answers = await asyncio.gather(*(put() for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert await total(client) == 1


async def test_conditional_patch(client: httpx.AsyncClient) -> None:
    """R-14: none 404, one is patched, more 412."""
    url = f"Patient?identifier={SYSTEM}|1"
    change: list[dict[str, Any]] = [{"op": "add", "path": "/active", "value": True}]
    headers = {"Content-Type": "application/json-patch+json"}
    assert_outcome(await client.patch(url, json=change, headers=headers), 404, "not-found")
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    patched = await client.patch(url, json=change, headers=headers)
    assert assert_written(patched, 200, 2) == "Patient/a"
    stale = {**headers, "If-Match": 'W/"1"'}
    assert_outcome(await client.patch(url, json=change, headers=stale), 412, "conflict")
    await client.post("Patient", json=identified("1"), headers=FHIR)
    many = await client.patch(url, json=change, headers=headers)
    assert_outcome(many, 412, "multiple-matches")
    assert_outcome(await client.patch("Patient", json=change, headers=headers), 400, "invalid")


async def test_conditional_delete(client: httpx.AsyncClient) -> None:
    """R-15: none or one as a delete, more 412, no criteria refused."""
    url = f"Patient?identifier={SYSTEM}|1"
    assert (await client.delete(url)).status_code == 204
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    await client.put("Patient/b", json=identified("2", id="b"), headers=FHIR)
    assert (await client.delete(url)).status_code == 204
    assert (await client.get("Patient/a")).status_code == 410
    assert (await client.get("Patient/b")).status_code == 200
    await client.post("Patient", json=identified("2"), headers=FHIR)
    many = await client.delete(f"Patient?identifier={SYSTEM}|2")
    assert_outcome(many, 412, "multiple-matches")
    assert_outcome(await client.delete("Patient"), 400, "invalid")
    assert_outcome(await client.delete("Patient?_format=json"), 400, "invalid")
    assert await total(client) == 2


class TestMultiple:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"conditional_delete": "multiple"})

    async def test_conditional_delete_deletes_all_matches(self, client: httpx.AsyncClient) -> None:
        """R-15."""
        for _ in range(5):
            await client.post("Patient", json=identified("1"), headers=FHIR)
        await client.post("Patient", json=patient(), headers=FHIR)
        headers = {"Prefer": "return=OperationOutcome"}
        response = await client.delete(f"Patient?identifier={SYSTEM}|1", headers=headers)
        assert response.status_code == 200
        assert response.json()["issue"][0]["diagnostics"].startswith("5 ")
        assert await total(client) == 1
