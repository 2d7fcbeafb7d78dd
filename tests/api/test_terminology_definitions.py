"""R4's own definitions as resources: brought once, never over what somebody else has stored."""

from __future__ import annotations

from itertools import islice

import pytest

from fhir_server.loading import conformance
from fhir_server.store.conformance import is_untouched
from tests.api.assertions import assert_outcome

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
KINDS = ("ValueSet", "CodeSystem", "ConceptMap", "OperationDefinition", "SearchParameter")


@pytest.fixture
def few(monkeypatch):
    """A few definitions of each kind, the well-known one among them."""
    everything = list(conformance.SOURCES[0].resources())
    chosen = [
        one
        for type_ in KINDS
        for one in islice((each for each in everything if each["resourceType"] == type_), 3)
    ]
    chosen += [one for one in everything if one.get("url") == GENDER]
    source = conformance.Source(conformance.SOURCES[0].folder, lambda: iter(chosen))
    monkeypatch.setattr(conformance, "SOURCES", (source,))
    return chosen


async def test_they_are_read_and_searched_like_any_resource(client, server, few):
    services = server._fhir._services
    assert await conformance.bring_definitions(services) == len(few)
    assert await conformance.bring_definitions(services) == 0
    answer = await client.get("ValueSet/administrative-gender")
    assert answer.json()["url"] == GENDER
    assert answer.headers["etag"] == 'W/"1"'
    found = (await client.get(f"ValueSet?url={GENDER}")).json()
    assert found["entry"][0]["resource"]["id"] == "administrative-gender"
    for type_ in KINDS:
        tagged = await client.get(f"{type_}?_tag=urn:fhir-server:origin|base&_summary=count")
        assert tagged.json()["total"] >= 3
    left = await client.get("ValueSet?_tag:not=urn:fhir-server:origin|base&_summary=count")
    assert left.json()["total"] == 0


async def test_validation_follows_them_only_once_they_are_changed(client, server, few):
    await conformance.bring_definitions(server._fhir._services)
    answer = await client.get("ValueSet/administrative-gender")
    assert is_untouched(answer.content)
    edited = {**answer.json(), "status": "retired"}
    assert (await client.put("ValueSet/administrative-gender", json=edited)).status_code == 200
    answer = await client.get("ValueSet/administrative-gender")
    assert not is_untouched(answer.content)


def test_structure_definitions_are_among_them():
    found = [one for source in conformance.SOURCES for one in source.resources()]
    urls = {one["url"] for one in found if one["resourceType"] == "StructureDefinition"}
    assert "http://hl7.org/fhir/StructureDefinition/Patient" in urls
    assert any(url.startswith("https://fhir-server.example.org/") for url in urls)
    assert len({(one["resourceType"], one["id"]) for one in found}) == len(found)


async def test_what_somebody_stored_or_deleted_stays(client, server, few):
    own = {"resourceType": "ValueSet", "id": "administrative-gender", "status": "draft"}
    assert (await client.put("ValueSet/administrative-gender", json=own)).status_code == 201
    gone = next(one for one in few if one["resourceType"] == "CodeSystem")
    assert (await client.put(f"CodeSystem/{gone['id']}", json=gone)).status_code == 201
    assert (await client.delete(f"CodeSystem/{gone['id']}")).status_code in (200, 204)
    assert await conformance.bring_definitions(server._fhir._services) == len(few) - 2
    assert (await client.get("ValueSet/administrative-gender")).json()["status"] == "draft"
    assert_outcome(await client.get(f"CodeSystem/{gone['id']}"), 410, "deleted")


async def test_an_edited_one_counts_and_a_deleted_one_is_still_answered(client, server, few):
    await conformance.bring_definitions(server._fhir._services)
    ask = f"ValueSet/$expand?url={GENDER}"
    assert len((await client.get(ask)).json()["expansion"]["contains"]) == 4
    edited = (await client.get("ValueSet/administrative-gender")).json()
    edited["compose"] = {
        "include": [
            {"system": "http://hl7.org/fhir/administrative-gender", "concept": [{"code": "male"}]}
        ]
    }
    answer = await client.put("ValueSet/administrative-gender", json=edited)
    assert answer.status_code == 200, answer.text
    assert len((await client.get(ask)).json()["expansion"]["contains"]) == 1
    await client.delete("ValueSet/administrative-gender")
    assert len((await client.get(ask)).json()["expansion"]["contains"]) == 4


def test_ids_are_unique_and_valid():
    resources = list(conformance.SOURCES[0].resources())
    assert len(resources) > 3_000
    assert len({(one["resourceType"], one["id"]) for one in resources}) == len(resources)
