"""Patch. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, assert_written, patient

JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def fhirpath(**parts: dict[str, Any]) -> dict[str, Any]:
    """A FHIRPath Patch of one operation; a part is given as its value[x]."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [{"name": name, **value} for name, value in parts.items()],
            }
        ],
    }


@pytest.fixture(autouse=True)
async def somebody(client: httpx.AsyncClient) -> None:
    body = patient(id="a", active=True, name=[{"family": "One"}, {"family": "Two"}])
    await client.put("Patient/a", json=body, headers=FHIR)


async def test_json_patch_changes_and_keeps(client: httpx.AsyncClient) -> None:
    """R-19."""
    changes = [
        {"op": "test", "path": "/name/0/family", "value": "One"},
        replace("/name/0/family", "Uno"),
        {"op": "remove", "path": "/name/1"},
        {"op": "add", "path": "/gender", "value": "female"},
    ]
    response = await client.patch("Patient/a", json=changes, headers=JSON_PATCH)
    assert_written(response, 200, 2)
    stored = (await client.get("Patient/a")).json()
    assert (stored["name"], stored["gender"], stored["active"]) == (
        [{"family": "Uno"}],
        "female",
        True,
    )
    assert (await client.get("Patient?family=uno")).json()["total"] == 1
    assert (await client.get("Patient?family=two")).json()["total"] == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ([replace("/active", False), {"op": "test", "path": "/active", "value": True}], 422),
        ([replace("/active", False), {"op": "remove", "path": "/photo"}], 422),
        ([replace("/active", False), replace("/gender", "m")], 422),
        ([replace("/active", "no")], 422),
        ([replace("/id", "b")], 422),
        ([replace("/meta/versionId", "9")], 422),
        ([replace("/meta/lastUpdated", "2020-01-01T00:00:00Z")], 422),
        ([replace("/resourceType", "Practitioner")], 422),
        ([replace("", [])], 422),
        ({"op": "remove", "path": "/name"}, 400),
        ([{"op": "turn", "path": "/name"}], 400),
        ([{"op": "replace", "path": "/active"}], 400),
        ("[", 400),
        ("", 400),
    ],
)
async def test_a_json_patch_is_done_whole_or_not_at_all(
    client: httpx.AsyncClient, changes: Any, status: int
) -> None:
    """R-19."""
    content = {"content": changes} if isinstance(changes, str) else {"json": changes}
    response = await client.patch("Patient/a", headers=JSON_PATCH, **content)
    assert response.status_code == status, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    stored = (await client.get("Patient/a")).json()
    assert (stored["meta"]["versionId"], stored["active"]) == ("1", True)


async def test_fhirpath_patch_changes(client: httpx.AsyncClient) -> None:
    """R-20."""
    change = fhirpath(
        type={"valueCode": "replace"},
        path={"valueString": "Patient.name[0].family"},
        value={"valueString": "Uno"},
    )
    assert_written(await client.patch("Patient/a", json=change, headers=FHIR), 200, 2)
    assert (await client.get("Patient/a")).json()["name"][0] == {"family": "Uno"}


async def test_fhirpath_delete_of_nothing_is_no_fault_but_of_several_is(
    client: httpx.AsyncClient,
) -> None:
    """R-20."""
    nothing = fhirpath(type={"valueCode": "delete"}, path={"valueString": "Patient.photo"})
    assert (await client.patch("Patient/a", json=nothing, headers=FHIR)).status_code == 200
    several = fhirpath(type={"valueCode": "delete"}, path={"valueString": "Patient.name"})
    response = await client.patch("Patient/a", json=several, headers=FHIR)
    assert_outcome(response, 422, "processing")


async def test_other_patches_are_415(client: httpx.AsyncClient) -> None:
    """R-21; a Binary is not patched at all."""
    for media in ("application/xml-patch+xml", "application/merge-patch+json", "text/plain", ""):
        headers = {"Content-Type": media} if media else {}
        response = await client.patch("Patient/a", content=b"[]", headers=headers)
        assert_outcome(response, 415, "not-supported")
    created = await client.post("Binary", content=b"x", headers={"Content-Type": "text/plain"})
    reference = assert_written(created, 201, 1)
    response = await client.patch(reference, json=[replace("/data", "eA==")], headers=JSON_PATCH)
    assert_outcome(response, 405, "not-supported")


async def test_patch_needs_something_to_change(client: httpx.AsyncClient) -> None:
    changes = [replace("/active", False)]
    response = await client.patch("Patient/b", json=changes, headers=JSON_PATCH)
    assert_outcome(response, 404, "not-found")
    await client.delete("Patient/a")
    response = await client.patch("Patient/a", json=changes, headers=JSON_PATCH)
    assert_outcome(response, 410, "deleted")


async def test_if_match_guards_a_patch(client: httpx.AsyncClient) -> None:
    """R-11, P-05."""
    changes = [replace("/active", False)]
    stale = {**JSON_PATCH, "If-Match": 'W/"7"'}
    response = await client.patch("Patient/a", json=changes, headers=stale)
    assert_outcome(response, 412, "conflict")
    current = {**JSON_PATCH, "If-Match": 'W/"1"'}
    assert_written(await client.patch("Patient/a", json=changes, headers=current), 200, 2)


async def test_concurrent_patches_lose_nothing(client: httpx.AsyncClient) -> None:
    """R-43: each is applied to what the one before left."""

    async def add(number: int) -> httpx.Response:
        name = {"family": f"N{number}"}
        change = [{"op": "add", "path": "/name/-", "value": name}]
        return await client.patch("Patient/a", json=change, headers=JSON_PATCH)

    answers = await asyncio.gather(*(add(number) for number in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len((await client.get("Patient/a")).json()["name"]) == 14


async def test_a_hostile_pattern_is_too_costly_and_nothing_is_kept(
    client: httpx.AsyncClient,
) -> None:
    long = patient(id="b", name=[{"family": "a" * 60 + "!"}])
    await client.put("Patient/b", json=long, headers=FHIR)
    path = "Patient.name.where(family.matches('(a|aa)+$'))"
    change = fhirpath(type={"valueCode": "delete"}, path={"valueString": path})
    response = await client.patch("Patient/b", json=change, headers=FHIR)
    assert_outcome(response, 422, "too-costly")
    assert "(a|aa)+$" in response.json()["issue"][0]["diagnostics"]
    assert (await client.get("Patient/b")).json()["meta"]["versionId"] == "1"
