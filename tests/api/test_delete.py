"""Delete. https://hl7.org/fhir/R4/http.html#delete"""

from __future__ import annotations

import httpx

from tests.api.assertions import FHIR, assert_outcome, assert_written, identified, patient


async def test_delete_then_read_is_gone_and_search_shows_nothing(
    client: httpx.AsyncClient,
) -> None:
    """R-16."""
    await client.put("Patient/a", json=identified("1", id="a"), headers=FHIR)
    response = await client.delete("Patient/a")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["etag"] == 'W/"2"'
    assert_outcome(await client.get("Patient/a"), 410, "deleted")
    assert (await client.get("Patient?identifier=1")).json()["total"] == 0
    assert (await client.get("Patient/a/_history/1")).status_code == 200
    assert_outcome(await client.get("Patient/a/_history/2"), 410, "deleted")


async def test_delete_is_idempotent_and_makes_one_version(client: httpx.AsyncClient) -> None:
    """R-16, P-07: neither a second delete nor one of an unknown id makes a version."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    for _ in range(3):
        assert (await client.delete("Patient/a")).status_code == 204
    assert (await client.get("Patient/a/_history")).json()["total"] == 2
    assert (await client.delete("Patient/unknown")).status_code == 204
    assert_outcome(await client.get("Patient/unknown"), 404, "not-found")


async def test_delete_answers_with_an_outcome_where_asked(client: httpx.AsyncClient) -> None:
    """R-22."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    for _ in range(2):
        headers = {"Prefer": "return=OperationOutcome"}
        response = await client.delete("Patient/a", headers=headers)
        assert response.status_code == 200
        assert response.json()["issue"][0]["severity"] == "information"


async def test_if_match_guards_a_delete(client: httpx.AsyncClient) -> None:
    """R-11, P-05: also of what does not exist."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    stale = await client.delete("Patient/a", headers={"If-Match": 'W/"1"'})
    assert_outcome(stale, 412, "conflict")
    assert (await client.get("Patient/a")).status_code == 200
    assert (await client.delete("Patient/a", headers={"If-Match": 'W/"2"'})).status_code == 204
    again = await client.delete("Patient/a", headers={"If-Match": 'W/"3"'})
    assert_outcome(again, 412, "conflict")


async def test_a_referenced_resource_can_be_deleted(client: httpx.AsyncClient) -> None:
    """R-17: references stay, and lead to what is gone."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    account = {
        "resourceType": "Account",
        "status": "active",
        "subject": [{"reference": "Patient/a"}],
    }
    created = await client.post("Account", json=account, headers=FHIR)
    assert (await client.delete("Patient/a")).status_code == 204
    kept = await client.get(assert_written(created, 201, 1))
    assert kept.json()["subject"] == [{"reference": "Patient/a"}]
