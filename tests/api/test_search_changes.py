"""Searches while what they look for changes: Q-15, Q-52, Q-58, Q-60."""

from __future__ import annotations

import httpx
import pytest

from tests.searching import RESOURCES, get, ids, link, observation, stored


@pytest.fixture
async def fhir(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server of this test's own that has the resources."""
    return await stored(client)


async def test_a_versioned_reference_includes_that_version(fhir: httpx.AsyncClient) -> None:
    changed = {**RESOURCES[3], "gender": "other"}
    assert (await fhir.put("Patient/b", json=changed)).status_code == 200
    listed = {
        "resourceType": "List",
        "id": "l",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/b/_history/1"}}],
    }
    assert (await fhir.put("List/l", json=listed)).status_code == 201
    found = await get(fhir, "List?_include=List:item")
    (entry,) = [e for e in found["entry"] if e["search"]["mode"] == "include"]
    assert entry["resource"]["meta"]["versionId"] == "1"
    assert entry["resource"]["gender"] == "male"


async def test_what_is_deleted_or_changed_is_not_found_any_more(fhir: httpx.AsyncClient) -> None:
    await fhir.delete("Observation/o2")
    assert ids(await get(fhir, "Observation?patient=a&code=1-1")) == ["o1"]
    await fhir.put("Patient/a", json={**RESOURCES[2], "name": [{"family": "Martin"}]})
    assert ids(await get(fhir, "Patient?family=Dupont")) == []
    assert ids(await get(fhir, "Patient?family=martin")) == ["a"]
    assert ids(await get(fhir, "Observation?patient.family=dupont")) == []


async def test_pages_stay_on_the_moment_of_the_first_while_others_write(
    fhir: httpx.AsyncClient,
) -> None:
    first = await get(fhir, "Observation?_count=2&_total=accurate&_sort=-_lastUpdated")
    assert ids(first) == ["o5", "o4"]
    await fhir.delete("Observation/o3")
    await fhir.put("Observation/o1", json={**RESOURCES[5], "status": "amended"})
    await fhir.put("Observation/o9", json=observation("o9", "a", "1-1", "2023-01-01", 1))
    second = await get(fhir, link(first, "next"))
    assert ids(second) == ["o3", "o2"]
    third = await get(fhir, link(second, "next"))
    assert ids(third) == ["o1"]
    assert third["entry"][0]["resource"]["status"] == "final"
    assert [page["total"] for page in (first, second, third)] == [5, 5, 5]
    assert ids(await get(fhir, "Observation")) == ["o9", "o2", "o4", "o1", "o5"]
