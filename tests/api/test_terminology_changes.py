"""What is stored counts at once, and loaded code systems are asked like any other."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.terminology.releases.kinds import read
from tests.api.assertions import assert_outcome
from tests.unit.terminology import releases

GENDERS = "http://hl7.org/fhir/administrative-gender"
GENDER_SET = "http://hl7.org/fhir/ValueSet/administrative-gender"
THINGS = "http://example.org/things"


def code_system(id_: str, *codes: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "id": id_,
        "url": THINGS,
        "status": "active",
        "content": "complete",
        "concept": [{"code": code} for code in codes],
        **more,
    }


async def put(client: httpx.AsyncClient, resource: dict[str, Any]) -> None:
    answer = await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


async def has(client: httpx.AsyncClient, code: str, version: str = "") -> bool:
    answer = await client.get(
        "CodeSystem/$validate-code", params={"url": THINGS, "code": code, "version": version}
    )
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["parameter"][0]["valueBoolean"])


async def test_a_write_counts_at_once_in_every_process(client, server, settings):
    other = create_app(settings)
    async with other.opened():
        transport = httpx.ASGITransport(other, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=str(client.base_url)) as second:
            await put(client, code_system("a", "x"))
            assert await has(client, "x")
            assert await has(second, "x")
            await put(client, code_system("a", "y"))
            for caller in (client, second):
                assert not await has(caller, "x")
                assert await has(caller, "y")
            await client.delete("CodeSystem/a")
            for caller in (client, second):
                answer = await caller.get(f"CodeSystem/$validate-code?url={THINGS}&code=y")
                assert_outcome(answer, 404, "not-found")


async def test_versions_stand_side_by_side(client):
    await put(client, code_system("a", "x", version="1.9"))
    await put(client, code_system("b", "y", version="1.10"))
    assert await has(client, "y")
    assert not await has(client, "x")
    assert await has(client, "x", "1.9")
    assert_outcome(
        await client.get(f"CodeSystem/$validate-code?url={THINGS}&code=x&version=2"),
        404,
        "not-found",
    )


async def test_what_is_stored_goes_before_what_the_program_brings(client):
    resource = code_system("g", "m", "w", url=GENDERS)
    await put(client, resource)
    found = (await client.get(f"ValueSet/$expand?url={GENDER_SET}")).json()
    assert [one["code"] for one in found["expansion"]["contains"]] == ["m", "w"]
    await client.delete("CodeSystem/g")
    found = (await client.get(f"ValueSet/$expand?url={GENDER_SET}")).json()
    assert found["expansion"]["contains"][0]["code"] == "male"


@pytest.fixture
async def loaded(client, server, tmp_path):
    """The client of a server with two made-up releases."""
    concepts = server._fhir._services.terminology.concepts
    for make in (releases.loinc, releases.snomed):
        await concepts.load(read(make(tmp_path)), lambda done, total: None)
    return client


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("ValueSet/$expand?url=http://loinc.org/vs", ["1-8", "2-6", "LP1-0", "LP2-0"]),
        ("ValueSet/$expand?url=http://loinc.org/vs&excludeNotForUI=true", ["1-8", "2-6"]),
        ("ValueSet/$expand?url=http://loinc.org/vs&filter=widg%20blood", ["1-8"]),
        ("ValueSet/$expand?url=http://loinc.org/vs&activeOnly=true", ["1-8", "LP1-0", "LP2-0"]),
        ("ValueSet/$expand?url=http://snomed.info/sct?fhir_vs=isa/200", ["200", "300"]),
        ("ValueSet/$expand?url=http://snomed.info/sct?fhir_vs&filter=bidule", ["200"]),
        (
            "ValueSet/$expand?url=http://snomed.info/sct?fhir_vs&filter=.*",
            ["100", "200", "300", "400"],
        ),
        ("ValueSet/$expand?url=http://snomed.info/sct?fhir_vs&count=2&offset=1", ["200", "300"]),
    ],
)
async def test_a_loaded_code_system_is_expanded(loaded, path, codes):
    answer = await loaded.get(path)
    assert answer.status_code == 200, answer.text

    def flat(rows):
        for row in rows:
            yield row["code"]
            yield from flat(row.get("contains", []))

    expansion = answer.json()["expansion"]
    assert sorted(flat(expansion.get("contains", []))) == codes


async def test_a_loaded_code_system_answers_the_other_questions(loaded):
    sct = "http://snomed.info/sct"
    edition = f"{sct}/900000000000207008"
    for version in ("", edition, f"{edition}/version/20260101"):
        answer = await loaded.get(
            "CodeSystem/$validate-code", params={"url": sct, "code": "300", "version": version}
        )
        assert answer.json()["parameter"][0]["valueBoolean"] is True, version
    answer = await loaded.get(f"CodeSystem/$subsumes?system={sct}&codeA=100&codeB=300")
    assert answer.json()["parameter"][0]["valueCode"] == "subsumes"
    answer = await loaded.get(f"CodeSystem/$lookup?system={sct}&code=200&displayLanguage=fr")
    assert {"name": "display", "valueString": "Bidule"} in answer.json()["parameter"]
    answer = await loaded.get("CodeSystem/$validate-code?url=http://loinc.org&code=1-8")
    assert answer.json()["parameter"][0]["valueBoolean"] is True


async def test_a_value_set_of_r4_finds_a_loaded_code_system(loaded):
    answer = await loaded.get(
        "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/observation-codes"
        "&system=http://loinc.org&code=1-8"
    )
    assert answer.json()["parameter"][0]["valueBoolean"] is True


async def test_a_huge_expansion_is_refused_or_paged(client, server, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("code,display\n" + "".join(f"{n},Thing {n}\n" for n in range(10_050)))
    concepts = server._fhir._services.terminology.concepts
    await concepts.load(read(path, THINGS), lambda done, total: None)
    ask = f"ValueSet/$expand?url={THINGS}?fhir_vs"
    assert_outcome(await client.get(ask), 422, "too-costly")
    page = (await client.get(f"{ask}&count=3&offset=10000")).json()["expansion"]
    assert page["total"] == 10_050
    assert len(page["contains"]) == 3
    found = (await client.get(f"{ask}&filter=10049")).json()["expansion"]
    assert [one["display"] for one in found["contains"]] == ["Thing 10049"]


@pytest.mark.parametrize(
    ("value_set", "system", "code", "answer"),
    [
        (GENDER_SET, GENDERS, "male", True),
        (GENDER_SET, GENDERS, "man", False),
        ("http://example.org/none", GENDERS, "male", None),
        ("http://hl7.org/fhir/ValueSet/observation-codes", "http://loinc.org", "1-8", True),
        ("http://hl7.org/fhir/ValueSet/observation-codes", "http://loinc.org", "9-9", False),
    ],
)
async def test_bindings_see_what_is_loaded(loaded, server, value_set, system, code, answer):
    contains = server._fhir._services.terminology.contains
    assert await contains(value_set, system, code) is answer
