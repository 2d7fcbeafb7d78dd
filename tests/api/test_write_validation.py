"""Every write is validated in full: what is wrong is refused, what is unwise is not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.assertions import assert_outcome

LENIENT = {"Prefer": "handling=lenient"}
EMPTY = '<div xmlns="http://www.w3.org/1999/xhtml"> </div>'


def contact() -> dict[str, Any]:
    return {"resourceType": "Patient", "contact": [{"gender": "male"}]}


SOFT: dict[str, dict[str, Any]] = {
    "an empty narrative": {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": EMPTY},
    },
    "a reference to another type": {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "performer": [{"reference": "Encounter/1"}],
    },
}


def transaction(resource: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    request = {"method": "POST", "url": resource["resourceType"]}
    entry = [{"resource": resource, "request": request}]
    return {"resourceType": "Bundle", "type": kind, "entry": entry}


async def test_a_broken_invariant_refuses_each_kind_of_write(client: httpx.AsyncClient) -> None:
    place = "Patient.contact[0]"
    assert_outcome(await client.post("Patient", json=contact()), 422, "invariant", place)
    answer = await client.put("Patient/a", json=contact() | {"id": "a"})
    assert_outcome(answer, 422, "invariant", place)
    answer = await client.post("", json=transaction(contact()))
    assert_outcome(answer, 422, "invariant", "Bundle.entry[0].resource.contact[0]")
    await client.put("Patient/b", json={"resourceType": "Patient", "id": "b"})
    answer = await client.patch(
        "Patient/b",
        json=[{"op": "add", "path": "/contact", "value": contact()["contact"]}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert_outcome(answer, 422, "invariant", place)


async def test_best_practice_refuses_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.post("Patient", json={"resourceType": "Patient"})).status_code == 201


@pytest.mark.parametrize("name", SOFT)
async def test_lenient_handling_lets_soft_faults_pass(client: httpx.AsyncClient, name: str) -> None:
    resource = SOFT[name]
    type_ = resource["resourceType"]
    assert (await client.post(type_, json=resource)).status_code == 422
    stored = await client.post(type_, json=resource, headers=LENIENT)
    assert stored.status_code == 201
    id_ = stored.json()["id"]
    again = await client.put(f"{type_}/{id_}", json=resource | {"id": id_}, headers=LENIENT)
    assert again.status_code == 200


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_entries_inherit_the_handling(client: httpx.AsyncClient, kind: str) -> None:
    for resource in SOFT.values():
        answer = await client.post("", json=transaction(resource, kind), headers=LENIENT)
        assert answer.json()["entry"][0]["response"]["status"].startswith("201")


async def test_lenient_handling_lets_nothing_else_pass(client: httpx.AsyncClient) -> None:
    wrong = {"resourceType": "Patient", "gender": "none"}
    answer = await client.post("Patient", json=wrong, headers=LENIENT)
    assert_outcome(answer, 422, "code-invalid", "Patient.gender")
    answer = await client.post("Patient", json=contact(), headers=LENIENT)
    assert_outcome(answer, 422, "invariant", "Patient.contact[0]")
