"""`_contained` and `_containedType`. https://hl7.org/fhir/R4/search.html#contained"""

from __future__ import annotations

import httpx
import pytest

from tests.api.assertions import assert_outcome
from tests.searching import get, ids, pages


def medication(id_: str, code: str) -> dict[str, object]:
    return {"resourceType": "Medication", "id": id_, "code": {"coding": [{"code": code}]},
            "status": "active"}  # fmt: skip


def order(id_: str, patient: str, *inside: dict[str, object]) -> dict[str, object]:
    return {"resourceType": "MedicationRequest", "id": id_, "status": "active", "intent": "order",
            "contained": list(inside), "subject": {"reference": f"Patient/{patient}"},
            "medicationReference": {"display": "inside"},
            "supportingInformation": [{"reference": f"#{one['id']}"} for one in inside],
    }  # fmt: skip


@pytest.fixture
async def filled(client: httpx.AsyncClient) -> httpx.AsyncClient:
    for resource in (
        medication("alone", "aspirin"),
        order("r1", "a", medication("m1", "aspirin"), medication("m2", "iron")),
        order("r2", "b", medication("m1", "iron")),
        order("r3", "b", {"resourceType": "Substance", "id": "s", "code": {"text": "aspirin"}}),
    ):
        place = f"{resource['resourceType']}/{resource['id']}"
        answer = await client.put(place, json=resource)
        assert answer.status_code == 201, answer.text
    return client


ROWS = [
    ("Medication?code=aspirin", "alone"),
    ("Medication?code=aspirin&_contained=false", "alone"),
    ("Medication?code=aspirin&_contained=true", "r1"),
    ("Medication?code=aspirin&_contained=both", "alone r1"),
    ("Medication?code=iron&_contained=true", "r1 r2"),
    ("Medication?code=iron&status=active&_contained=true", "r1 r2"),
    ("Medication?code=iron&status=inactive&_contained=true", ""),
    ("Medication?code=iron&_contained=true&_containedType=container", "r1 r2"),
    ("Medication?code=iron&_contained=true&_containedType=contained", "m1 m2"),
    ("Medication?code=aspirin&_contained=both&_containedType=contained", "alone m1"),
    ("Medication?_id=m1&_contained=true", "r1 r2"),
    ("Medication?code:not=iron&_contained=true&_containedType=contained", "m1"),
    ("Medication?_filter=code%20eq%20iron&_contained=true", "r1 r2"),
    ("Substance?_contained=true", "r3"),
    ("MedicationRequest?_contained=true", ""),
]


@pytest.mark.parametrize("how", ["true", "both"])
async def test_a_distance_is_of_no_contained_resource(filled, how):
    place = "near=48.85%7C2.35%7C1%7Ckm"
    for query in (place, f"{place},{place[5:]}", f"status:not=active&{place}"):
        assert_outcome(await filled.get(f"Location?{query}&_contained={how}"), 400, "not-supported")
    assert ids(await get(filled, f"Location?near:missing=true&_contained={how}")) == []


@pytest.mark.parametrize(("url", "expected"), ROWS)
async def test_contained(filled, url, expected):
    found = await get(filled, url)
    assert " ".join(sorted(ids(found))) == expected


async def test_a_contained_resource_has_its_containers_url(filled):
    url = "Medication?code=aspirin&_contained=true&_containedType=contained"
    (entry,) = (await get(filled, url))["entry"]
    assert entry["fullUrl"].endswith("/fhir/MedicationRequest/r1#m1")
    assert entry["resource"] == medication("m1", "aspirin")


async def test_pages_and_totals_count_the_containers(filled):
    found = await pages(filled, "Medication?code=iron&_contained=true&_count=1&_total=accurate")
    assert [ids(page) for page in found] == [["r2"], ["r1"]]
    assert {page["total"] for page in found} == {2}


async def test_contained_resources_follow_updates(filled):
    await filled.put("MedicationRequest/r1", json=order("r1", "a", medication("m1", "zinc")))
    assert ids(await get(filled, "Medication?code=aspirin&_contained=true")) == []
    assert ids(await get(filled, "Medication?code=zinc&_contained=true")) == ["r1"]


async def test_what_cannot_be_is_refused(client):
    answer = await client.get("Medication?_contained=maybe")
    assert_outcome(answer, 400, "invalid", "http._contained")
    answer = await client.get("Medication?_contained=true&_sort=code")
    assert_outcome(answer, 400, "not-supported", "http._sort")
    answer = await client.delete("Medication?code=x&_contained=true")
    assert_outcome(answer, 400, "not-supported", "http._contained")
