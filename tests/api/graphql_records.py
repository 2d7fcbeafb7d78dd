"""The record that tests of $graphql ask for, and how they ask."""

from __future__ import annotations

import json
from typing import Any

import httpx

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://example.org/time", "valueString": "14:35"}]},
    "contained": [{"resourceType": "Organization", "id": "x", "name": "Inside"}],
    "managingOrganization": {"reference": "#x"},
    "generalPractitioner": [{"reference": "Practitioner/none"}],
    "contact": [{"name": {"family": "Du Marché"}}],
}

WEIGHT = {
    "resourceType": "Observation",
    "id": "w",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/p"},
    "valueQuantity": {"value": 72.5, "unit": "kg"},
}


async def weighed(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of a server that has, from now on, one patient who was weighed once."""
    for resource in (PATIENT, WEIGHT):
        body = json.dumps(resource).replace("72.5", "72.50")
        answer = await client.put(
            f"{resource['resourceType']}/{resource['id']}",
            content=body,
            headers={"Content-Type": "application/fhir+json"},
        )
        assert answer.status_code == 201, answer.text
    return client


async def asked(
    client: httpx.AsyncClient, query: str, at: str = "Patient/p/", **more: Any
) -> dict[str, Any]:
    answer = await client.post(f"{at}$graphql", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    found: dict[str, Any] = answer.json()
    assert "errors" not in found, found
    return found["data"]
