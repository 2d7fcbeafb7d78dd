"""The resources that the tests of searches look for, and how they look at the answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

Bundle = dict[str, Any]

LOINC = "http://loinc.org"


def observation(
    id_: str, patient: str, code: str, day: str | None, value: float, unit: str = "kg"
) -> Bundle:
    found: Bundle = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    }
    found["valueQuantity"]["system"] = "http://unitsofmeasure.org"
    if day:
        found["effectiveDateTime"] = day
    return found


RESOURCES: list[Bundle] = [
    {
        "resourceType": "Organization",
        "id": "h",
        "name": "Hôpital Nord",
        "partOf": {"reference": "Organization/g"},
    },
    {"resourceType": "Organization", "id": "g", "name": "Groupe", "identifier": [{"value": "77"}]},
    {
        "resourceType": "Patient",
        "id": "a",
        "name": [{"family": "Dupont", "given": ["Ann", "Zoe"]}],
        "gender": "female",
        "birthDate": "1980-02-03",
        "managingOrganization": {"reference": "Organization/h"},
    },
    {
        "resourceType": "Patient",
        "id": "b",
        "name": [{"family": "Éluard"}],
        "gender": "male",
        "birthDate": "1990",
    },
    {"resourceType": "Patient", "id": "c", "active": True},
    observation("o1", "a", "1-1", "2020-01-01", 60500, "g"),
    observation("o2", "a", "1-1", "2021-01-01", 61),
    observation("o3", "a", "2-2", "2022-01-01", 5),
    observation("o4", "b", "1-1", "2020-06-01", 80),
    observation("o5", "b", "2-2", None, 81),
    {
        "resourceType": "Group",
        "id": "team",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/b"}}],
    },
    {
        "resourceType": "Provenance",
        "id": "p1",
        "target": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}],
        "recorded": "2022-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Organization/h"}}],
    },
]


async def get(client: httpx.AsyncClient, url: str, status: int = 200) -> Bundle:
    answer = await client.get(url)
    assert answer.status_code == status, answer.text
    found: Bundle = answer.json()
    assert found["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")
    return found


def ids(bundle: Bundle, mode: str = "match") -> list[str]:
    entries = bundle.get("entry", [])
    assert entries or "entry" not in bundle, "FHIR has no empty arrays"
    return [e["resource"]["id"] for e in entries if e["search"]["mode"] == mode]


def link(bundle: Bundle, relation: str) -> str:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), "")


async def pages(client: httpx.AsyncClient, url: str, relation: str = "next") -> list[Bundle]:
    found = [await get(client, url)]
    while following := link(found[-1], relation):
        assert len(found) < 50, "the pages never end"
        found.append(await get(client, following))
    return found


async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client, once the server has the resources above, stored in their order."""
    for resource in RESOURCES:
        place = f"{resource['resourceType']}/{resource['id']}"
        answer = await client.put(place, json=resource)
        assert answer.status_code == 201, answer.text
        await asyncio.sleep(0.002)  # two of one millisecond would share their lastUpdated
    return client
