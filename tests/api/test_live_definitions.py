"""Definitions that are stored take effect: profiles, extensions, value sets; claims and demands."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.api.assertions import assert_outcome

CORE = "http://hl7.org/fhir/StructureDefinition/"
URL = "http://example.org/StructureDefinition/born"


ROOT = {"id": "Patient", "path": "Patient"}


def element(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"Patient.{name}", "path": f"Patient.{name}", **more}


def profile(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "id": "born",
        "url": URL,
        "name": "Born",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": f"{CORE}Patient",
        "differential": {"element": [ROOT, element("birthDate", min=1)]},
        **more,
    }


async def status(
    client: httpx.AsyncClient, resource: dict[str, Any], wanted: int
) -> httpx.Response:
    """The answer to a create, asked until it has the status wanted: changes take a moment."""
    for _ in range(50):
        answer = await client.post(resource["resourceType"], json=resource)
        if answer.status_code == wanted:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)


async def test_a_profile_counts_from_its_storage_to_its_deletion(client: httpx.AsyncClient) -> None:
    claiming = {"resourceType": "Patient", "meta": {"profile": [URL]}}
    assert (await client.post("Patient", json=claiming)).status_code == 201
    assert (await client.put("StructureDefinition/born", json=profile())).status_code == 201
    answer = await status(client, claiming, 422)
    assert_outcome(answer, 422, "required", "Patient.birthDate")
    assert (await client.post("Patient", json=claiming | {"birthDate": "2000"})).status_code == 201
    assert (await client.delete("StructureDefinition/born")).status_code == 204
    await status(client, claiming, 201)


async def test_a_value_set_counts_in_a_binding(client: httpx.AsyncClient) -> None:
    system, value_set = "http://example.org/cs", "http://example.org/vs"
    include = [{"system": system, "concept": [{"code": "a"}]}]
    await client.put(
        "ValueSet/v",
        json={
            "resourceType": "ValueSet",
            "id": "v",
            "url": value_set,
            "status": "active",
            "compose": {"include": include},
        },
    )
    binding = {"strength": "required", "valueSet": value_set}
    bound = {"element": [ROOT, element("maritalStatus", binding=binding)]}
    await client.put("StructureDefinition/born", json=profile(differential=bound))

    def married(code: str) -> dict[str, Any]:
        status = {"coding": [{"system": system, "code": code}]}
        return {"resourceType": "Patient", "meta": {"profile": [URL]}, "maritalStatus": status}

    await status(client, married("b"), 422)
    assert (await client.post("Patient", json=married("a"))).status_code == 201
