"""StructureDefinition/$snapshot."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

CORE = "http://hl7.org/fhir/StructureDefinition"


def profile(*elements: dict[str, Any], base: str = "Patient") -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/p",
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": f"{CORE}/{base}",
        "differential": {"element": list(elements)},
    }


ROOT = {"id": "Patient", "path": "Patient"}
FAMILY = {"id": "Patient.name.family", "path": "Patient.name.family", "min": 1}


def by_id(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {element["id"]: element for element in definition["snapshot"]["element"]}


async def test_the_snapshot_of_a_definition_that_is_sent(client: httpx.AsyncClient) -> None:
    answer = await client.post("StructureDefinition/$snapshot", json=profile(ROOT, FAMILY))
    assert answer.status_code == 200, answer.text
    found = by_id(answer.json())
    assert found["Patient.name.family"]["min"] == 1
    assert found["Patient.name.family"]["base"] == {
        "path": "HumanName.family",
        "min": 0,
        "max": "1",
    }
    assert found["Patient.birthDate"]["max"] == "1"
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [{"name": "definition", "resource": profile(ROOT, FAMILY)}],
    }
    again = await client.post("StructureDefinition/$snapshot", json=wrapped)
    assert again.json() == answer.json()


async def test_the_snapshot_of_one_that_is_stored_or_known(client: httpx.AsyncClient) -> None:
    stored = profile(ROOT, FAMILY) | {"id": "p"}
    assert (await client.put("StructureDefinition/p", json=stored)).status_code == 201
    answer = await client.get("StructureDefinition/p/$snapshot")
    assert by_id(answer.json())["Patient.name.family"]["min"] == 1
    answer = await client.get("StructureDefinition/$snapshot", params={"url": f"{CORE}/bp"})
    assert "Observation.component:SystolicBP.code" in by_id(answer.json())


@pytest.mark.parametrize(
    ("definition", "status", "says"),
    [
        (profile(ROOT, base="Nothing"), 422, "is not known"),
        (profile(ROOT, {"id": "Patient.x", "path": "Patient.x"}), 422, "Patient.x"),
        ({"resourceType": "Patient"}, 400, "StructureDefinition"),
        (profile(ROOT) | {"status": "odd"}, 422, "odd"),
    ],
)
async def test_what_has_no_snapshot_is_told_why(
    client: httpx.AsyncClient, definition: dict[str, Any], status: int, says: str
) -> None:
    answer = await client.post("StructureDefinition/$snapshot", json=definition)
    assert answer.status_code == status, answer.text
    assert says in answer.text
