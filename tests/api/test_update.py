"""Update. https://hl7.org/fhir/R4/http.html#update"""

from __future__ import annotations

import asyncio

import httpx
import pytest

from fhir_server.access.grant import Grant
from fhir_server.fhir.codec import instant, stamp
from fhir_server.search.keys import Keys
from fhir_server.settings import Settings
from fhir_server.store.resources import Store
from fhir_server.store.version import Version
from tests.api.assertions import FHIR, assert_outcome, assert_written, patient


async def test_update_makes_the_next_version(client: httpx.AsyncClient) -> None:
    """R-08; R-09: an update to an id that is not there creates it."""
    first = await client.put("Patient/a", json=patient(id="a", active=True), headers=FHIR)
    assert assert_written(first, 201, 1) == "Patient/a"
    second = await client.put("Patient/a", json=patient(id="a", active=False), headers=FHIR)
    assert assert_written(second, 200, 2) == "Patient/a"
    assert (await client.get("Patient/a")).json()["active"] is False
    assert (await client.get("Patient/a/_history/1")).json()["active"] is True
    assert second.json()["meta"]["lastUpdated"] > first.json()["meta"]["lastUpdated"]


async def test_the_id_in_the_body_must_be_that_of_the_url(client: httpx.AsyncClient) -> None:
    """R-08."""
    for body in (patient(), patient(id="b")):
        response = await client.put("Patient/a", json=body, headers=FHIR)
        assert_outcome(response, 400, "invalid", "Patient.id")
    assert (await client.get("Patient/a")).status_code == 404


async def test_an_id_has_64_letters_digits_dots_and_hyphens(client: httpx.AsyncClient) -> None:
    """R-46; ids differ by case."""
    for id_ in ("A-1.b", "a-1.b", "x" * 64):
        response = await client.put(f"Patient/{id_}", json=patient(id=id_), headers=FHIR)
        assert assert_written(response, 201, 1) == f"Patient/{id_}"
    for id_ in ("x" * 65, "a_b", "a%20b"):
        response = await client.put(f"Patient/{id_}", json=patient(id=id_), headers=FHIR)
        assert_outcome(response, 400, "invalid")


async def test_unchanged_content_makes_a_new_version_too(client: httpx.AsyncClient) -> None:
    """R-10: the same on every way to a resource."""
    for version in (1, 2, 3):
        response = await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
        assert_written(response, 201 if version == 1 else 200, version)
    same = [{"op": "test", "path": "/id", "value": "a"}]
    headers = {"Content-Type": "application/json-patch+json"}
    assert_written(await client.patch("Patient/a", json=same, headers=headers), 200, 4)


async def test_if_match_lets_only_the_current_version_be_replaced(
    client: httpx.AsyncClient,
) -> None:
    """R-11, P-05: 412, not 409."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    for tag, status in (('W/"1"', 200), ('"2"', 200), ('W/"1"', 412), ("*", 200), ('"x"', 412)):
        headers = {**FHIR, "If-Match": tag}
        response = await client.put("Patient/a", json=patient(id="a"), headers=headers)
        assert response.status_code == status, tag
        if status == 412:
            assert_outcome(response, 412, "conflict")


async def test_if_match_never_creates(client: httpx.AsyncClient) -> None:
    """R-11."""
    headers = {**FHIR, "If-Match": 'W/"1"'}
    response = await client.put("Patient/a", json=patient(id="a"), headers=headers)
    assert_outcome(response, 412, "conflict")
    assert (await client.get("Patient/a")).status_code == 404


async def test_if_none_match_star_updates_only_what_is_absent(client: httpx.AsyncClient) -> None:
    """R-12, P-06; a deleted resource is absent."""
    headers = {**FHIR, "If-None-Match": "*"}
    body = patient(id="a")
    assert (await client.put("Patient/a", json=body, headers=headers)).status_code == 201
    assert_outcome(await client.put("Patient/a", json=body, headers=headers), 412, "conflict")
    await client.delete("Patient/a")
    assert_written(await client.put("Patient/a", json=body, headers=headers), 201, 3)


async def test_update_revives_a_deleted_resource(client: httpx.AsyncClient) -> None:
    """R-18, P-07: with the next version, and all of them in the history."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    await client.delete("Patient/a")
    revived = await client.put("Patient/a", json=patient(id="a", active=True), headers=FHIR)
    assert_written(revived, 201, 3)
    assert (await client.get("Patient/a")).json()["active"] is True
    history = (await client.get("Patient/a/_history")).json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["PUT", "DELETE", "PUT"]


async def test_tags_and_security_labels_survive_an_update(client: httpx.AsyncClient) -> None:
    """R-52: they are added to what the update sends; profiles are what it says."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    tag = {"system": "urn:t", "code": "a"}
    other = {"system": "urn:t", "code": "b"}
    meta = {"security": [label], "tag": [tag], "profile": ["http://example.org/p1"]}
    await client.put("Patient/a", json=patient(id="a", meta=meta), headers=FHIR)
    sent = patient(id="a", meta={"tag": [other]}, active=True)
    stored = (await client.put("Patient/a", json=sent, headers=FHIR)).json()
    assert stored["meta"]["security"] == [label]
    assert stored["meta"]["tag"] == [other, tag]
    assert "profile" not in stored["meta"]
    assert stored["active"] is True
    for query in ("_tag=urn:t|a", "_tag=urn:t|b", "_security=R"):
        assert (await client.get(f"Patient?{query}")).json()["total"] == 1
    assert (await client.get("Patient?_profile=http://example.org/p1")).json()["total"] == 0


@pytest.mark.parametrize(
    "meta",
    [
        '"tag":[{"code":"a"}]',
        '"source":"urn:s}","tag":[{"code":"a"}]',
        '"profile":["http://example.org/p]"],"source":"urn:\\"","tag":[{"code":"a"}]',
        '"\\u0074ag":[{"code":"a"}]',
    ],
)
async def test_labels_are_found_however_the_meta_is_written(
    client: httpx.AsyncClient, meta: str
) -> None:
    body = f'{{"resourceType":"Patient","id":"a","meta":{{{meta}}}}}'
    created = await client.put("Patient/a", content=body, headers=FHIR)
    assert created.status_code == 201, created.text
    stored = (await client.put("Patient/a", json=patient(id="a"), headers=FHIR)).json()
    assert stored["meta"]["tag"] == [{"code": "a"}]


async def test_versions_increase_by_one_under_concurrent_updates(
    client: httpx.AsyncClient,
) -> None:
    """R-43: every update is a version of its own, later than the one before."""

    async def write(number: int) -> httpx.Response:
        body = patient(id="a", multipleBirthInteger=number)
        return await client.put("Patient/a", json=body, headers=FHIR)

    answers = await asyncio.gather(*(write(number) for number in range(24)))
    versions = sorted(int(answer.json()["meta"]["versionId"]) for answer in answers)
    assert versions == list(range(1, 25))
    history = (await client.get("Patient/a/_history?_count=50")).json()["entry"]
    instants = [entry["resource"]["meta"]["lastUpdated"] for entry in history]
    assert instants == sorted(instants, reverse=True)
    assert len(set(instants)) == 24


async def test_a_version_is_later_than_the_one_before_whatever_the_clock_says(
    client: httpx.AsyncClient, store: Store
) -> None:
    """R-43: another server's clock may be ahead."""
    ahead = store.stamp() + 3_600_000_000
    raw = stamp(b'{"resourceType":"Patient"}', "Patient", "a", 1, ahead)
    first = Version("Patient", "a", 1, ahead, raw, "PUT", Keys(None, None, None, ["*"], []))
    await store.insert([first], Grant.system("test"))
    second = await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    assert second.json()["meta"]["lastUpdated"] == instant(ahead + 1000)


async def test_of_concurrent_updates_of_one_version_one_wins(client: httpx.AsyncClient) -> None:
    """R-11: the others learn that the version is another one now."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    headers = {**FHIR, "If-Match": 'W/"1"'}
    answers = await asyncio.gather(
        *(client.put("Patient/a", json=patient(id="a"), headers=headers) for _ in range(16))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 15


class TestWithoutCreationByUpdate:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"update_create": False})

    async def test_an_update_to_nothing_is_405(self, client: httpx.AsyncClient) -> None:
        """R-09."""
        response = await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
        assert_outcome(response, 405, "not-supported")
        assert "PUT" not in response.headers["allow"]

    async def test_what_exists_is_updated(self, client: httpx.AsyncClient) -> None:
        created = await client.post("Patient", json=patient(), headers=FHIR)
        reference = assert_written(created, 201, 1)
        body = patient(id=reference.removeprefix("Patient/"))
        assert_written(await client.put(reference, json=body, headers=FHIR), 200, 2)


class TestWithReferenceCheck:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"reference_check": True})

    async def test_references_must_lead_somewhere(self, client: httpx.AsyncClient) -> None:
        body = patient(id="a", managingOrganization={"reference": "Organization/o"})
        place = "Patient.managingOrganization.reference"
        response = await client.put("Patient/a", json=body, headers=FHIR)
        assert_outcome(response, 422, "not-found", place)
        assert_outcome(await client.post("Patient", json=body, headers=FHIR), 422, "not-found")
        organization = {"resourceType": "Organization", "id": "o", "name": "O"}
        await client.put("Organization/o", json=organization, headers=FHIR)
        assert_written(await client.put("Patient/a", json=body, headers=FHIR), 201, 1)
        assert_written(await client.post("Patient", json=body, headers=FHIR), 201, 1)
