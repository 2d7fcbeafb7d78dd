"""SearchParameters that are added: checked, indexed in the background, and gone when retired.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from fhir_server.app import open_services
from fhir_server.interactions import search_parameters
from tests.api.assertions import assert_outcome, patient
from tests.searching import get, ids

URL = "http://example.org/fhir/SearchParameter/"


def parameter(code: str = "eye-colour", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": URL + code,
        "name": code.title().replace("-", ""),
        "status": "active",
        "description": "Made for a test.",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.extension.where(url='http://example.org/eyes').value.ofType(code)",
        **more,
    }


def eyes(id_: str, colour: str) -> dict[str, Any]:
    extension = [{"url": "http://example.org/eyes", "valueCode": colour}]
    return patient(id=id_, extension=extension)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_parameters, "PERIOD", 0.05)
    monkeypatch.setattr(search_parameters, "SETTLE", 0.2)


async def put(client: httpx.AsyncClient, resource: dict[str, Any]) -> None:
    answer = await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


async def until(client: httpx.AsyncClient, url: str, status: int) -> httpx.Response:
    for _ in range(600):
        answer = await client.get(url)
        if answer.status_code == status:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"{url} never became {status}: {answer.text}")


async def test_what_is_stored_is_found_once_it_is_indexed(client):
    await put(client, eyes("a", "brown"))
    await put(client, eyes("b", "blue"))
    await put(client, parameter())
    told = []
    for _ in range(1_000):
        answer = await client.get("Patient?eye-colour=brown")
        if answer.status_code == 200:
            break
        told.append(assert_outcome(answer, 400, "not-supported")[0]["diagnostics"])
        await asyncio.sleep(0.02)
    assert ids(answer.json()) == ["a"]
    assert any("is being indexed: 0 %; try again later" in text for text in told), told
    known = ["is being indexed" in text for text in told]
    assert known == sorted(known), told  # once it is known it stays so
    await put(client, eyes("c", "brown"))
    assert sorted(ids(await get(client, "Patient?eye-colour=brown"))) == ["a", "c"]
    assert ids(await get(client, "Patient?eye-colour=blue&_sort=eye-colour")) == ["b"]
    assert ids(await get(client, "Patient?eye-colour:missing=true")) == []


async def test_the_capabilities_follow(client):
    def of_patient(statement: dict[str, Any]) -> set[str]:
        (row,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
        return {one["name"] for one in row["searchParam"]}

    assert "eye-colour" not in of_patient((await client.get("metadata")).json())
    await put(client, parameter())
    await until(client, "Patient?eye-colour=x", 200)
    assert "eye-colour" in of_patient((await client.get("metadata")).json())
    await put(client, parameter(status="retired"))
    await until(client, "Patient?eye-colour=x", 400)
    assert "eye-colour" not in of_patient((await client.get("metadata")).json())


async def test_a_deleted_one_leaves_and_comes_back_whole(client):
    await put(client, eyes("a", "brown"))
    await put(client, parameter())
    await until(client, "Patient?eye-colour=brown", 200)
    await client.delete("SearchParameter/eye-colour")
    answer = await until(client, "Patient?eye-colour=brown", 400)
    assert "no search parameter" in answer.text
    await put(client, eyes("b", "brown"))  # without its key
    await put(client, parameter())
    answer = await until(client, "Patient?eye-colour=brown", 200)
    assert sorted(ids(answer.json())) == ["a", "b"]


async def test_a_change_is_indexed_anew_and_refused_meanwhile(client, monkeypatch):
    await put(client, patient(id="a", birthDate="1980-01-01", gender="male"))
    await put(client, parameter("mine", expression="Patient.gender"))
    await until(client, "Patient?mine=male", 200)
    monkeypatch.setattr(search_parameters, "SETTLE", 1.0)
    await put(client, parameter("mine", expression="Patient.birthDate", type="date"))
    await until(client, "Patient?mine=1980", 400)
    answer = await until(client, "Patient?mine=1980-01", 200)
    assert ids(answer.json()) == ["a"]


async def test_another_process_follows(client, settings):
    await put(client, parameter())
    await until(client, "Patient?eye-colour=x", 200)
    async with open_services(settings) as others:
        assert others.registry.find("Patient", "eye-colour") is not None
        await put(client, parameter(status="retired"))
        for _ in range(600):
            if others.registry.find("Patient", "eye-colour") is None:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("never gone")


FAULTS = [
    ({"code": "name"}, "duplicate", "SearchParameter.code"),
    ({"code": "_mine"}, "invalid", "SearchParameter.code"),
    ({"code": "in"}, "invalid", "SearchParameter.code"),
    ({"base": ["Resource"], "code": "name", "expression": "Resource.id"}, "duplicate",
     "SearchParameter.code"),
    ({"expression": None}, "required", "SearchParameter.expression"),
    ({"expression": "Patient.name.where("}, "invalid", "SearchParameter.expression"),
    ({"expression": "Patient.nam"}, "invalid", "SearchParameter.expression"),
    ({"expression": "Observation.code"}, "invalid", "SearchParameter.expression"),
    ({"expression": "Patient.birthDate"}, "invalid", "SearchParameter.type"),
    ({"expression": "Patient.name", "type": "date"}, "invalid", "SearchParameter.type"),
    ({"type": "special"}, "not-supported", "SearchParameter.type"),
    ({"type": "composite", "expression": "Patient",
      "component": [{"definition": URL + "none", "expression": "name"},
                    {"definition": URL + "neither", "expression": "gender"}]},
     "not-found", "SearchParameter.component[0].definition"),
    ({"expression": "Patient.id" + " | Patient.id" * 400}, "too-long",
     "SearchParameter.expression"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "place"), FAULTS, ids=[str(row[0])[:60] for row in FAULTS]
)
async def test_one_that_cannot_be_is_refused(client, change, code, place):
    wrong = {**parameter(), **change}
    wrong = {name: value for name, value in wrong.items() if value is not None}
    answer = await client.put("SearchParameter/eye-colour", json=wrong)
    assert_outcome(answer, 422, code, place)
    assert (await client.get("SearchParameter/eye-colour")).status_code == 404


async def test_two_of_one_code_or_url_are_refused(client):
    await put(client, parameter())
    await until(client, "Patient?eye-colour=x", 200)
    twin = {**parameter(), "id": "twin"}
    assert_outcome(
        await client.put("SearchParameter/twin", json=twin), 422, "duplicate", "SearchParameter.url"
    )
    twin["url"] = URL + "twin"
    assert_outcome(
        await client.put("SearchParameter/twin", json=twin), 422, "duplicate",
        "SearchParameter.code",
    )  # fmt: skip


async def test_a_draft_and_r4s_own_are_content_like_any_other(client):
    await put(client, parameter(status="draft", expression="Patient.nothing"))
    own = {**parameter("name"), "url": "http://hl7.org/fhir/SearchParameter/Patient-name"}
    await put(client, own)
    await asyncio.sleep(0.3)
    assert_outcome(await client.get("Patient?eye-colour=x"), 400, "not-supported")
    assert ids(await get(client, "Patient?name=x")) == []


KINDS = [
    ("string", "Patient.name.suffix", {"name": [{"suffix": ["Jr."]}]}, "jr"),
    ("reference", "Patient.managingOrganization",
     {"managingOrganization": {"reference": "Organization/o"}}, "Organization/o"),
    ("uri", "Patient.extension.url", {"extension": [{"url": "urn:x", "valueCode": "y"}]}, "urn:x"),
    ("number", "Patient.multipleBirth.ofType(integer)", {"multipleBirthInteger": 2}, "2"),
    ("date", "Patient.identifier.period",
     {"identifier": [{"period": {"start": "2020"}}]}, "gt2019"),
    ("quantity", "Patient.extension.value.ofType(Quantity)",
     {"extension": [{"url": "urn:x", "valueQuantity": {"value": 3, "unit": "cm"}}]}, "3||cm"),
    ("token", "Patient.contact.where(gender='female').relationship",
     {"contact": [{"gender": "female", "name": {"text": "Her"},
                   "relationship": [{"coding": [{"code": "N"}]}]}]}, "N"),
    ("token", "Patient.name.select(iif(use='official', given, family))",
     {"name": [{"use": "official", "given": ["Odd"]}]}, "Odd"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "expression", "content", "value"), KINDS)
async def test_every_type_of_parameter_can_be_added(client, kind, expression, content, value):
    await put(client, patient(id="a", **content))
    await put(client, patient(id="b"))
    await put(client, parameter("added", type=kind, expression=expression))
    answer = await until(client, f"Patient?added={value}", 200)
    assert ids(answer.json()) == ["a"]
