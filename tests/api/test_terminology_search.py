"""Searches by value set and by hierarchy: Q-33."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.assertions import assert_outcome

SYSTEM = "http://example.org/animals"
VALUE_SET = "http://example.org/vs/cats"
FAR = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

ANIMALS = {
    "resourceType": "CodeSystem",
    "id": "animals",
    "url": SYSTEM,
    "status": "active",
    "content": "complete",
    "hierarchyMeaning": "is-a",
    "concept": [
        {
            "code": "animal",
            "concept": [
                {"code": "cat", "concept": [{"code": "lion"}, {"code": "tiger"}]},
                {"code": "dog"},
            ],
        }
    ],
}
CATS = {
    "resourceType": "ValueSet",
    "id": "cats",
    "url": VALUE_SET,
    "status": "active",
    "compose": {
        "include": [
            {
                "system": SYSTEM,
                "filter": [{"property": "concept", "op": "descendent-of", "value": "cat"}],
            }
        ]
    },
}


def observation(id_: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": SYSTEM, "code": code}]},
        "subject": {"reference": "Patient/p"},
    }


@pytest.fixture
async def zoo(client: httpx.AsyncClient) -> httpx.AsyncClient:
    resources: list[dict[str, Any]] = [
        ANIMALS,
        CATS,
        {"resourceType": "Patient", "id": "p"},
        *(observation(code, code) for code in ("animal", "cat", "lion", "tiger", "dog")),
    ]
    for one in resources:
        answer = await client.put(f"{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code == 201, answer.text
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"code:below={SYSTEM}|cat", ["cat", "lion", "tiger"]),
        (f"code:below={SYSTEM}|dog", ["dog"]),
        (f"code:below={SYSTEM}|cat,{SYSTEM}|dog", ["cat", "dog", "lion", "tiger"]),
        (f"code:above={SYSTEM}|lion", ["animal", "cat", "lion"]),
        (f"code:above={SYSTEM}|animal", ["animal"]),
        (f"code:in={VALUE_SET}", ["lion", "tiger"]),
        ("code:in=ValueSet/cats", ["lion", "tiger"]),
        ("code:in=http://127.0.0.1:8080/fhir/ValueSet/cats", ["lion", "tiger"]),
        (f"code:not-in={VALUE_SET}", ["animal", "cat", "dog"]),
        (f"code:in={SYSTEM}?fhir_vs=isa/cat", ["cat", "lion", "tiger"]),
        (f"code:in={VALUE_SET}&code:below={SYSTEM}|lion", ["lion"]),
    ],
)
async def test_codes_are_found_by_value_set_and_hierarchy(zoo, query, found):
    answer = await zoo.get(f"Observation?{query}")
    assert answer.status_code == 200, answer.text
    ids = sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))
    assert ids == found


async def test_a_chain_may_end_in_a_value_set(zoo):
    answer = await zoo.get(f"Patient?_has:Observation:patient:code:in={VALUE_SET}")
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["p"]
    answer = await zoo.get(f"Patient?_has:Observation:patient:code:below={SYSTEM}|animal")
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["p"]


async def test_a_change_of_the_value_set_counts_at_once(zoo):
    changed = {**CATS, "compose": {"include": [{"system": SYSTEM, "concept": [{"code": "dog"}]}]}}
    assert (await zoo.put("ValueSet/cats", json=changed)).status_code == 200
    answer = await zoo.get(f"Observation?code:in={VALUE_SET}")
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["dog"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("code:in=http://example.org/none", "not-found"),
        ("code:in=ValueSet/none", "not-found"),
        ("code:below=http://example.org/none|x", "not-found"),
        (f"code:below={SYSTEM}|unicorn", "not-found"),
        ("code:below=cat", "invalid"),
        (f"code:above={SYSTEM}|", "invalid"),
    ],
)
async def test_what_is_not_known_is_refused(zoo, query, code):
    assert_outcome(await zoo.get(f"Observation?{query}"), 400, code, "http.code")


async def test_a_value_set_that_cannot_be_listed_is_too_costly(client):
    answer = await client.get("Observation?code:in=http://hl7.org/fhir/ValueSet/mimetypes")
    assert_outcome(answer, 422, "too-costly")
