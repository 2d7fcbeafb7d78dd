"""`_text` and `_content`, at the door. https://hl7.org/fhir/R4/search.html#text"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from tests.api.assertions import assert_outcome
from tests.searching import get, ids


def told(id_: str, narrative: str | None, **more: object) -> dict[str, object]:
    found: dict[str, object] = {"resourceType": "Patient", "id": id_, **more}
    if narrative is not None:
        div = f'<div xmlns="http://www.w3.org/1999/xhtml">{narrative}</div>'
        found["text"] = {"status": "generated", "div": div}
    return found


@pytest.fixture
async def filled(client: httpx.AsyncClient) -> httpx.AsyncClient:
    for resource in (
        told("a", "<p>Cancer of the <b>liver</b> with m&#233;tastases</p>", name=[{"text": "Zoé"}]),
        told("b", "<p>Cancer of the bone</p>", address=[{"line": ["Rue du Foie"]}]),
        told("c", None, contact=[{"name": {"family": "Liver"}}], gender="female"),
        told("d", "<p>well</p>", identifier=[{"system": "urn:liver", "value": "B-12"}]),
    ):
        answer = await client.put(f"Patient/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    return client


ROWS = [
    ("_text", "liver", "a"),
    ("_text", "LIVER metastases", "a"),
    ("_text", "cancer", "a b"),
    ("_text", "cancer liver", "a"),
    ("_text", "(bone OR liver) AND cancer", "a b"),
    ("_text", "cancer AND NOT bone", "a"),
    ("_text", "NOT (bone OR liver)", "c d"),
    ("_text", '"of the bone"', "b"),
    ("_text", "metast*", "a"),
    ("_text", "can*", "a b"),
    ("_text", "bone,well", "b d"),
    ("_text", "xhtml", ""),
    ("_text", "zoe", ""),
    ("_content", "zoe", "a"),
    ("_content", "liver", "a c"),
    ("_content", "liver NOT cancer", "c"),
    ("_content", "foie", "b"),
    ("_content", "b-12", "d"),
    ("_content", "female", ""),
    ("_content", "urn", ""),
    ("_text:missing", "true", "c"),
    ("_text:missing", "false", "a b d"),
]


@pytest.mark.parametrize(("name", "value", "expected"), ROWS)
async def test_words(filled, name, value, expected):
    found = await get(filled, f"Patient?{name}={quote(value)}")
    assert " ".join(sorted(ids(found))) == expected


async def test_words_go_with_everything_else(filled):
    assert ids(await get(filled, "Patient?_content=liver&gender=female")) == ["c"]
    found = await get(filled, "?_type=Patient,Group&_content=bone&_total=accurate")
    assert ids(found) == ["b"]
    assert found["total"] == 1


@pytest.mark.parametrize(
    "value", ["(liver", "liver)", "OR", "liver OR", "NOT", "-", '""', "x " * 101, "(" * 30 + "x"]
)
async def test_what_is_no_search_text_is_refused(client, value):
    answer = await client.get(f"Patient?_content={quote(value)}")
    assert_outcome(answer, 400, "invalid", "http._content")


async def test_words_have_no_order(client):
    answer = await client.get("Patient?_sort=_text")
    assert_outcome(answer, 400, "not-supported", "http._sort")


async def test_words_follow_updates(filled):
    await filled.put("Patient/b", json=told("b", "<p>healed</p>"))
    assert ids(await get(filled, "Patient?_text=bone")) == []
    assert ids(await get(filled, "Patient?_text=healed")) == ["b"]
