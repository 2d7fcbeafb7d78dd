"""The operations, through the front door: R-51, R-52."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

UCUM = "http://unitsofmeasure.org"
SYSTEM = "http://example.org/labels"
LOINC = "http://loinc.org"


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **more}


def observation(
    id_: str, code: str | dict[str, Any], date: str, subject: str = "a", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [{"coding": [{"system": "http://c", "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code}]} if isinstance(code, str) else code,
        "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": date,
        **more,
    }


ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "Clinic"}
PRACTITIONER = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Who"}]}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/a"},
    "participant": [{"individual": {"reference": "Practitioner/dr"}}],
    "period": {"start": "2020-01-01", "end": "2020-01-02"},
}


async def put(client: httpx.AsyncClient, *resources: dict[str, Any]) -> None:
    for resource in resources:
        path = f"{resource['resourceType']}/{resource['id']}"
        answer = await client.put(path, json=resource)
        assert answer.status_code == 201, answer.text


async def ask(client: httpx.AsyncClient, path: str, status: int = 200) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(bundle: dict[str, Any], mode: str = "") -> list[str]:
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if not mode or entry["search"]["mode"] == mode
    ]


def next_link(bundle: dict[str, Any]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def parameters(**values: Any) -> dict[str, Any]:
    rows = [
        {"name": name, "resource" if isinstance(v, dict) and "resourceType" in v else kind: v}
        for name, (kind, v) in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": rows}


# --- $validate


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


# --- $meta


def labels(*codes: str) -> dict[str, Any]:
    return {"tag": [{"system": SYSTEM, "code": code} for code in codes]}


async def test_meta_add_makes_a_version_once_and_meta_delete_another(
    client: httpx.AsyncClient,
) -> None:
    await put(client, patient("a"))
    body = parameters(meta=("valueMeta", {**labels("x", "y"), "profile": ["http://p"]}))
    for _ in range(2):
        answer = await client.post("Patient/a/$meta-add", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == 'W/"2"'
        [row] = answer.json()["parameter"]
        assert row["name"] == "return"
        assert row["valueMeta"]["tag"] == labels("x", "y")["tag"]
        assert row["valueMeta"]["profile"] == ["http://p"]
    assert named(await ask(client, f"Patient?_tag={SYSTEM}|x")) == ["Patient/a"]
    body = parameters(meta=("valueMeta", labels("x", "z")))
    answer = await client.post("Patient/a/$meta-delete", json=body)
    assert answer.headers["etag"] == 'W/"3"'
    found = (await ask(client, "Patient/a/$meta"))["parameter"][0]["valueMeta"]
    assert found["tag"] == labels("y")["tag"]
    assert found["versionId"] == "3"
    assert named(await ask(client, f"Patient?_tag={SYSTEM}|x")) == []
    assert (await ask(client, "Patient/a/_history"))["total"] == 3


async def test_meta_of_a_type_and_of_the_server_lists_labels_in_use(
    client: httpx.AsyncClient,
) -> None:
    await put(
        client,
        patient("a", meta={**labels("x"), "profile": ["http://p"]}),
        patient("b", meta={**labels("x", "y"), "security": [{"code": "R"}]}),
        {**ORGANIZATION, "meta": labels("z")},
    )
    of_type = (await ask(client, "Patient/$meta"))["parameter"][0]["valueMeta"]
    assert of_type == {**labels("x", "y"), "profile": ["http://p"], "security": [{"code": "R"}]}
    of_all = (await ask(client, "$meta"))["parameter"][0]["valueMeta"]
    assert of_all["tag"] == labels("x", "y", "z")["tag"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("Patient/a/$meta-add", {"resourceType": "Parameters"}, 400),
        ("Patient/a/$meta-add", {"resourceType": "Patient"}, 400),
        ("Patient/a/$meta-add", parameters(meta=("valueString", "x")), 400),
        ("Patient/a/$meta-add", parameters(meta=("valueMeta", {"tag": "x"})), 422),
        ("Patient/a/$meta-add", parameters(mata=("valueMeta", {})), 400),
        ("Patient/none/$meta-add", parameters(meta=("valueMeta", labels("x"))), 404),
        ("Patient/$meta-add", parameters(meta=("valueMeta", labels("x"))), 404),
    ],
)
async def test_meta_add_refuses_what_is_wrong(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    await put(client, patient("a"))
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert (await ask(client, "Patient/a"))["meta"]["versionId"] == "1"


async def test_meta_add_heeds_if_match(client: httpx.AsyncClient) -> None:
    await put(client, patient("a"))
    body = parameters(meta=("valueMeta", labels("x")))
    answer = await client.post("Patient/a/$meta-add", json=body, headers={"if-match": 'W/"7"'})
    assert answer.status_code == 412


# --- $everything


async def filled(client: httpx.AsyncClient) -> None:
    await put(
        client,
        ORGANIZATION,
        PRACTITIONER,
        patient("a", managingOrganization={"reference": "Organization/o"}),
        patient("b"),
        ENCOUNTER,
        observation("1", "1-1", "2019-05-05", encounter={"reference": "Encounter/e"}),
        observation("2", "1-1", "2020-05-05", performer=[{"reference": "Practitioner/dr"}]),
        observation("3", "2-2", "2021-05-05"),
        observation("4", "1-1", "2020-05-05", "b"),
        {
            "resourceType": "Group",
            "id": "g",
            "type": "person",
            "actual": True,
            "member": [{"entity": {"reference": f"Patient/{id_}"}} for id_ in "ab"],
        },
    )


OF_A = {
    "Patient/a",
    "Encounter/e",
    "Observation/1",
    "Observation/2",
    "Observation/3",
    "Group/g",
    "Organization/o",
    "Practitioner/dr",
}


async def test_everything_is_the_compartment_and_what_it_points_at(
    client: httpx.AsyncClient,
) -> None:
    await filled(client)
    found = await ask(client, "Patient/a/$everything")
    assert found["type"] == "searchset"
    assert named(found)[0] == "Patient/a"
    assert len(named(found)) == len(OF_A)
    assert set(named(found)) == OF_A
    assert set(named(found, "include")) == {"Organization/o", "Practitioner/dr"}


async def test_everything_in_pages_is_the_same(client: httpx.AsyncClient) -> None:
    await filled(client)
    for count in (1, 2, 3, 100):
        seen: list[str] = []
        included: set[str] = set()
        url: str | None = f"Patient/a/$everything?_count={count}"
        while url:
            page = await ask(client, url)
            assert 0 < len(named(page, "match")) <= count
            seen += named(page, "match")
            included |= set(named(page, "include"))
            url = next_link(page)
        assert len(seen) == len(set(seen))
        assert set(seen) | included == OF_A


async def test_everything_is_narrowed_by_date_type_and_update(client: httpx.AsyncClient) -> None:
    await filled(client)
    found = set(named(await ask(client, "Patient/a/$everything?start=2020&end=2020-12-31")))
    assert found == OF_A - {"Observation/1", "Observation/3"}
    found = set(named(await ask(client, "Patient/a/$everything?_type=Observation,Patient")))
    assert found == {"Patient/a", "Observation/1", "Observation/2", "Observation/3"}
    assert named(await ask(client, "Patient/a/$everything?_type=Practitioner")) == [
        "Practitioner/dr"
    ]
    later = (await ask(client, "Observation/2"))["meta"]["lastUpdated"]
    found = set(named(await ask(client, f"Patient/a/$everything?_since={later}")))
    assert found <= {"Observation/3", "Group/g"}
    assert named(await ask(client, "Patient/a/$everything?_since=2100-01-01")) == []


async def test_everything_of_an_encounter(client: httpx.AsyncClient) -> None:
    await filled(client)
    found = named(await ask(client, "Encounter/e/$everything"))
    assert found[0] == "Encounter/e"
    assert set(found) == {"Encounter/e", "Observation/1", "Practitioner/dr", "Patient/a"}


async def test_everything_can_be_asked_for_by_post_and_in_a_batch(
    client: httpx.AsyncClient,
) -> None:
    await filled(client)
    body = {"resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 2}]}
    page = (await client.post("Patient/a/$everything", json=body)).json()
    assert len(named(page, "match")) == 2
    assert next_link(page)
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": "Patient/a/$everything"}}],
    }
    answer = (await client.post("", json=batch)).json()
    assert set(named(answer["entry"][0]["resource"])) == OF_A


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Patient/none/$everything", 404),
        ("Patient/a/$everything?start=soon", 400),
        ("Patient/a/$everything?_count=0", 400),
        ("Patient/a/$everything?_count=x", 400),
        ("Patient/a/$everything?_type=Nothing", 404),
        ("Patient/a/$everything?begin=2020", 400),
        ("Patient/a/$everything?_cursor=forged", 400),
        ("Patient/a/$everything?_count=1&_count=2", 400),
        ("Encounter/e/$everything?start=2020", 400),
        ("Observation/1/$everything", 404),
    ],
)
async def test_everything_refuses_what_is_wrong(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    await put(client, patient("a"), ENCOUNTER)
    found = await ask(client, path, status)
    assert found["resourceType"] == "OperationOutcome"


# --- $lastn


async def test_lastn_gives_the_newest_of_each_kind(client: httpx.AsyncClient) -> None:
    both = {"coding": [{"system": LOINC, "code": "2-2"}, {"system": "http://own", "code": "w"}]}
    await put(
        client,
        patient("a"),
        observation("1", "1-1", "2019-01-01"),
        observation("2", "1-1", "2021-01-01"),
        observation("3", "1-1", "2020-01-01"),
        observation("4", "2-2", "2018-01-01"),
        observation("5", both, "2019-06-01"),
        observation("6", {"coding": [both["coding"][1]]}, "2017-01-01"),
        observation("7", {"text": "mood"}, "2016-01-01"),
        observation("8", {"text": "mood"}, "2015-01-01"),
        observation("9", "1-1", "2022-01-01", "b"),
    )
    found = await ask(client, "Observation/$lastn?patient=a&category=laboratory")
    assert named(found) == ["Observation/2", "Observation/5", "Observation/7"]
    assert found["total"] == 3
    found = await ask(client, "Observation/$lastn?subject=Patient/a&category=laboratory&max=2")
    assert named(found) == [f"Observation/{n}" for n in (2, 3, 5, 4, 7, 8)]
    found = await ask(client, f"Observation/$lastn?patient=a&code={LOINC}|1-1&date=lt2020-06&max=9")
    assert named(found) == ["Observation/3", "Observation/1"]


@pytest.mark.parametrize(
    "query",
    [
        "category=laboratory",
        "patient=a",
        "patient=a&code=x&max=0",
        "patient=a&code=x&max=many",
        "patient=a&code=x&_sort=date",
        "patient=a&code=x&_include=Observation:subject",
        "patient=a&code=x&nothing=1",
    ],
)
async def test_lastn_refuses_what_is_wrong(client: httpx.AsyncClient, query: str) -> None:
    found = await ask(client, f"Observation/$lastn?{query}", 400)
    assert found["resourceType"] == "OperationOutcome"
