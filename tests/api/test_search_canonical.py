"""Includes along canonical references. https://hl7.org/fhir/R4/references.html#canonical"""

from __future__ import annotations

import httpx
import pytest

from tests.searching import get, ids

URL = "http://example.org/fhir/Questionnaire/q"


def questionnaire(id_: str, version: str) -> dict[str, object]:
    return {"resourceType": "Questionnaire", "id": id_, "status": "active", "url": URL,
            "version": version}  # fmt: skip


def answer(id_: str, canonical: str) -> dict[str, object]:
    return {"resourceType": "QuestionnaireResponse", "id": id_, "status": "completed",
            "questionnaire": canonical}  # fmt: skip


@pytest.fixture
async def filled(client: httpx.AsyncClient) -> httpx.AsyncClient:
    for resource in (
        questionnaire("q1", "1"),
        questionnaire("q2", "2"),
        answer("any", URL),
        answer("one", f"{URL}|1"),
        answer("other", "http://example.org/fhir/Questionnaire/none"),
    ):
        place = f"{resource['resourceType']}/{resource['id']}"
        assert (await client.put(place, json=resource)).status_code == 201
    return client


@pytest.mark.parametrize(
    ("id_", "expected"), [("any", ["q1", "q2"]), ("one", ["q1"]), ("other", [])]
)
@pytest.mark.parametrize(
    "include",
    ["QuestionnaireResponse:questionnaire", "QuestionnaireResponse:*",
     "QuestionnaireResponse:questionnaire:Questionnaire"],
)  # fmt: skip
async def test_include(filled, id_, expected, include):
    found = await get(filled, f"QuestionnaireResponse?_id={id_}&_include={include}")
    assert ids(found) == [id_]
    assert sorted(ids(found, "include")) == expected


@pytest.mark.parametrize(("id_", "expected"), [("q1", ["any", "one"]), ("q2", ["any"])])
async def test_revinclude(filled, id_, expected):
    include = "QuestionnaireResponse:questionnaire"
    found = await get(filled, f"Questionnaire?_id={id_}&_revinclude={include}")
    assert ids(found) == [id_]
    assert sorted(ids(found, "include")) == expected
