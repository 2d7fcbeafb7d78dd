"""Histories of instance, type and system: R-42, P-07."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.searching import link

Bundle = dict[str, Any]


@pytest.fixture
async def fhir(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Patient/a in four versions, the third a deletion; Patient/b and Group/g in one each."""
    patient = {"resourceType": "Patient", "id": "a", "gender": "female"}
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    for method, place, body, status in (
        ("PUT", "Patient/a", patient, 201),
        ("PUT", "Patient/b", {**patient, "id": "b"}, 201),
        ("PUT", "Patient/a", {**patient, "gender": "other"}, 200),
        ("DELETE", "Patient/a", None, 204),
        ("PUT", "Group/g", group, 201),
        ("PUT", "Patient/a", patient, 201),
    ):
        answer = await client.request(method, place, json=body)
        assert answer.status_code == status, answer.text
        await asyncio.sleep(0.002)  # two of one millisecond would share their lastUpdated
    return client


async def get(client: httpx.AsyncClient, url: str, status: int = 200) -> Bundle:
    answer = await client.get(url)
    assert answer.status_code == status, answer.text
    found: Bundle = answer.json()
    return found


def versions(bundle: Bundle) -> list[str]:
    """`Type/id/version` of each entry."""
    found = []
    for entry in bundle.get("entry", []):
        place = entry["fullUrl"].removeprefix("http://127.0.0.1:8080/fhir/")
        found.append(f"{place}/{entry['response']['etag'][3:-1]}")
    return found


ALL = ["Patient/a/4", "Group/g/1", "Patient/a/3", "Patient/a/2", "Patient/b/1", "Patient/a/1"]


async def test_an_instance_is_told_newest_first_with_what_happened(
    fhir: httpx.AsyncClient,
) -> None:
    found = await get(fhir, "Patient/a/_history")
    assert found["type"] == "history"
    assert found["total"] == 4
    assert versions(found) == ["Patient/a/4", "Patient/a/3", "Patient/a/2", "Patient/a/1"]
    requests = [(e["request"]["method"], e["request"]["url"]) for e in found["entry"]]
    assert requests == [("PUT", "Patient/a"), ("DELETE", "Patient/a"), *[("PUT", "Patient/a")] * 2]
    assert [e["response"]["status"][:3] for e in found["entry"]] == ["200", "204", "200", "201"]
    assert [e.get("resource", {}).get("gender") for e in found["entry"]] == [
        "female",
        None,
        "other",
        "female",
    ]
    assert "resource" not in found["entry"][1]
    last = found["entry"][0]
    assert last["response"]["lastModified"] == last["resource"]["meta"]["lastUpdated"]
    assert "search" not in last


async def test_types_and_the_system_tell_everything_of_theirs(fhir: httpx.AsyncClient) -> None:
    assert versions(await get(fhir, "_history")) == ALL
    of_type = await get(fhir, "Patient/_history")
    assert versions(of_type) == [place for place in ALL if place.startswith("Patient")]
    assert of_type["total"] == 5
    assert (await get(fhir, "Medication/_history")) | {"id": "", "meta": {}, "link": []} == {
        "resourceType": "Bundle",
        "id": "",
        "meta": {},
        "type": "history",
        "total": 0,
        "link": [],
    }


async def test_a_created_resource_is_told_as_a_post(client: httpx.AsyncClient) -> None:
    made = (await client.post("Patient", json={"resourceType": "Patient"})).json()
    (entry,) = (await get(client, f"Patient/{made['id']}/_history"))["entry"]
    assert entry["request"] == {"method": "POST", "url": "Patient"}
    assert entry["response"]["status"].startswith("201")


@pytest.mark.parametrize("place", ["Patient/a", "Patient", ""])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("sort", ["-_lastUpdated", "_lastUpdated"])
async def test_pages_tell_every_version_once_and_stay_still(
    fhir: httpx.AsyncClient, place: str, count: int, sort: str
) -> None:
    expected = [one for one in ALL if one.startswith(place)]
    url = f"{place}/_history?_count={count}&_sort={sort}".lstrip("/")
    page = await get(fhir, url)
    total = page["total"]
    found = versions(page)
    await fhir.put("Patient/b", json={"resourceType": "Patient", "id": "b"})
    while following := link(page, "next"):
        page = await get(fhir, following)
        assert page["total"] == total == len(expected)
        assert len(versions(page)) <= count
        found += versions(page)
    assert found == (expected if sort.startswith("-") else expected[::-1])


async def test_since_and_at_tell_what_was_there_then(fhir: httpx.AsyncClient) -> None:
    told = (await get(fhir, "Patient/a/_history"))["entry"]
    instants = {e["response"]["etag"][3:-1]: e["response"]["lastModified"] for e in told}
    third = instants["3"].replace("+", "%2B")
    since = await get(fhir, f"Patient/a/_history?_since={third}")
    assert versions(since) == ["Patient/a/4", "Patient/a/3"]
    assert since["total"] == 2
    at = await get(fhir, f"Patient/a/_history?_at={instants['2']}")
    assert "Patient/a/2" in versions(at)
    assert "Patient/a/4" not in versions(at)
    assert versions(await get(fhir, "Patient/a/_history?_since=2100-01-01T00:00:00Z")) == []
    assert versions(await get(fhir, "Patient/a/_history?_at=2000")) == []


async def test_the_links_say_what_was_applied(fhir: httpx.AsyncClient) -> None:
    found = await get(fhir, "Patient/_history?_since=2020-01-01&_count=2")
    query = parse_qsl(urlsplit(link(found, "self")).query)
    assert query == [("_since", "2020-01-01"), ("_count", "2")]
    second = await get(fhir, link(found, "next"))
    assert versions(await get(fhir, link(second, "first"))) == versions(found)
    only_total = await get(fhir, "Patient/_history?_count=0")
    assert only_total["total"] == 5
    assert "entry" not in only_total


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Patient/nobody/_history", 404),
        ("Patient/_history?_since=yesterday", 400),
        ("Patient/_history?_at=2020-13", 400),
        ("Patient/_history?_count=-1", 400),
        ("Patient/_history?_sort=name", 400),
        ("Patient/_history?_sinc=2020", 400),
        ("Patient/_history?name=x", 400),
        ("Patient/_history?_cursor=AAAA", 400),
        ("Patient/_history?_count=1&_count=2", 400),
    ],
)
async def test_what_is_wrong_is_told(fhir: httpx.AsyncClient, url: str, status: int) -> None:
    outcome = await get(fhir, url, status)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["diagnostics"]


async def test_a_cursor_is_of_no_use_for_another_history(fhir: httpx.AsyncClient) -> None:
    following = link(await get(fhir, "Patient/_history?_count=1"), "next")
    await get(fhir, following.replace("Patient/_history", "Group/_history"), 400)
    lenient = await fhir.get("Patient/_history?name=x", headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 200
    assert "name" not in link(lenient.json(), "self")
