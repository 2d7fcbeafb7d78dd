"""$validate, through the front door: R-51."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.operations import (
    ask,
    parameters,
    patient,
    put,
)

UCUM = "http://unitsofmeasure.org"


async def validated(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> list[dict[str, Any]]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    issues: list[dict[str, Any]] = answer.json()["issue"]
    return issues


def errors(issues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what only warns, such as that there is no narrative (dom-6)."""
    return [issue for issue in issues if issue["severity"] == "error"]


async def test_validate_says_that_a_sound_resource_is_one(client: httpx.AsyncClient) -> None:
    for body in (
        {"resourceType": "Patient", "active": True},
        parameters(resource=("", {"resourceType": "Patient", "active": True})),
        parameters(
            resource=("", {"resourceType": "Patient"}),
            mode=("valueCode", "create"),
            profile=("valueUri", "http://hl7.org/fhir/StructureDefinition/Patient"),
        ),
    ):
        assert errors(await validated(client, "Patient/$validate", body)) == []
    assert (await ask(client, "Patient"))["total"] == 0


async def test_validate_tells_what_only_advises_as_a_warning(client: httpx.AsyncClient) -> None:
    [issue] = await validated(client, "Patient/$validate", {"resourceType": "Patient"})
    assert (issue["severity"], issue["code"]) == ("warning", "invariant")


async def test_validate_answers_200_with_all_faults(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Patient", "birthDate": "1970-13-01", "gendre": "male"}
    issues = await validated(client, "Patient/$validate", body)
    places = {issue["expression"][0] for issue in issues if issue["severity"] == "error"}
    assert places == {"Patient.birthDate", "Patient.gendre"}


async def test_validate_checks_type_and_for_an_update_the_id(client: httpx.AsyncClient) -> None:
    [issue] = await validated(
        client, "Patient/$validate", {"resourceType": "Organization", "name": "x"}
    )
    assert issue["severity"] == "error"
    assert "Organization" in issue["diagnostics"]
    [issue] = await validated(client, "Patient/a/$validate?mode=update", patient("b"))
    assert issue["expression"] == ["Patient.id"]
    issues = await validated(client, "Patient/a/$validate?mode=update", patient("a"))
    assert errors(issues) == []


async def test_validate_cannot_say_that_an_unknown_profile_is_met(
    client: httpx.AsyncClient,
) -> None:
    issues = await validated(client, "Patient/$validate?profile=http://x/p", patient("a"))
    assert [(i["severity"], i["code"]) for i in errors(issues)] == [("error", "not-found")]
    claiming = {**patient("a"), "meta": {"profile": ["http://x/p"]}}
    issues = await validated(client, "Patient/$validate", claiming)
    assert errors(issues) == []
    assert ["Patient.meta.profile[0]"] in [issue.get("expression") for issue in issues]


async def test_validate_holds_to_the_profiles_asked_for_and_claimed(
    client: httpx.AsyncClient,
) -> None:
    weight = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/a"},
        "effectiveDateTime": "2026-01-01",
        "valueQuantity": {"value": 70, "unit": "kg", "system": UCUM, "code": "kg"},
    }
    url = "http://hl7.org/fhir/StructureDefinition/bodyweight"
    issues = errors(await validated(client, f"Observation/$validate?profile={url}", weight))
    assert {issue["expression"][0] for issue in issues} == {"Observation.category"}
    claiming = {**weight, "meta": {"profile": [url]}}
    assert errors(await validated(client, "Observation/$validate", claiming)) == issues
    entry = [{"resource": patient("a")}, {"resource": claiming}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    issues = errors(await validated(client, "Bundle/$validate", bundle))
    places = {issue["expression"][0] for issue in issues}
    assert places == {"Bundle.entry[1].resource.category"}
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    weight["category"] = [{"coding": [{"system": system, "code": "vital-signs"}]}]
    assert errors(await validated(client, f"Observation/$validate?profile={url}", weight)) == []


async def test_validate_of_the_mode_profile_needs_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("Patient/$validate?mode=profile", json=patient("a"))
    assert answer.status_code == 400


async def test_validate_looks_at_the_stored_resource_where_none_is_sent(
    client: httpx.AsyncClient,
) -> None:
    await put(client, patient("a"))
    assert errors((await ask(client, "Patient/a/$validate"))["issue"]) == []
    await ask(client, "Patient/b/$validate", 404)
    [issue] = (await ask(client, "Patient/b/$validate?mode=delete"))["issue"]
    assert issue["code"] == "not-found"
    await ask(client, "Patient/$validate", 400)


async def test_validate_tells_a_parameters_resource_from_its_own(client: httpx.AsyncClient) -> None:
    bare = {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]}
    assert errors(await validated(client, "Parameters/$validate", bare)) == []
    wrapped = parameters(resource=("", bare))
    assert errors(await validated(client, "Parameters/$validate", wrapped)) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("Patient/$validate", b"{"),
        ("Patient/$validate", b"[]"),
        ("Patient/$validate?mode=maybe", b'{"resourceType":"Patient"}'),
        ("Patient/$validate?mode=delete", b'{"resourceType":"Patient"}'),
        ("Patient/$validate?strict=1", b'{"resourceType":"Patient"}'),
        ("Patient/$validate", b'{"resourceType":"Parameters","parameter":[{"name":"other"}]}'),
        ("Patient/$validate", b'{"resourceType":"Parameters","parameter":[1]}'),
        ("Patient/$validate", b'{"resourceType":"Parameters"}'),
    ],
)
async def test_validate_refuses_what_it_cannot_read(
    client: httpx.AsyncClient, path: str, body: bytes
) -> None:
    answer = await client.post(
        path, content=body, headers={"content-type": "application/fhir+json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
