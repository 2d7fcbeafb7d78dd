"""`_filter`, `_list` and hierarchies of resources, at the door.

https://hl7.org/fhir/R4/search_filter.html, https://hl7.org/fhir/R4/search.html#list
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from tests.api.assertions import assert_outcome
from tests.searching import get, ids, stored

MORE = [
    {"resourceType": "List", "id": "l", "status": "current", "mode": "working",
     "entry": [{"item": {"reference": "Patient/a"}}, {"item": {"reference": "Patient/c"}},
               {"item": {"reference": "Observation/o4"}}]},
    {"resourceType": "List", "id": "m", "status": "current", "mode": "working",
     "entry": [{"item": {"reference": "Patient/b"}}]},
    {"resourceType": "Location", "id": "site", "name": "Site"},
    {"resourceType": "Location", "id": "house", "name": "House",
     "partOf": {"reference": "Location/site"}},
    {"resourceType": "Location", "id": "ward", "name": "Ward",
     "partOf": {"reference": "Location/house"}},
    {"resourceType": "Location", "id": "other", "name": "Other"},
    *({"resourceType": "Encounter", "id": f"e-{place}", "status": "finished",
       "class": {"code": "AMB"}, "location": [{"location": {"reference": f"Location/{place}"}}],
       "period": {"start": f"2020-01-0{day}", "end": f"2020-01-0{day + 1}"}}
      for day, place in enumerate(("site", "house", "ward", "other"), 1)),
]  # fmt: skip


@pytest.fixture
async def filled(client: httpx.AsyncClient) -> httpx.AsyncClient:
    await stored(client)
    for resource in MORE:
        answer = await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    return client


FILTERS = [
    ("Patient", 'family eq "dupont"', "a"),
    ("Patient", 'family eq "dup"', ""),
    ("Patient", 'family sw "dup"', "a"),
    ("Patient", 'family co "uar"', "b"),
    ("Patient", 'family ew "uard"', "b"),
    ("Patient", 'family ew "dupon"', ""),
    ("Patient", 'family ne "dupont"', "b"),
    ("Patient", "family pr false", "c"),
    ("Patient", "family pr true and gender eq male", "b"),
    ("Patient", "gender ne male", "a"),
    ("Patient", "gender eq male or gender eq female", "a b"),
    ("Patient", "gender eq male or gender eq female and birthdate lt 1985", "a b"),
    ("Patient", "(gender eq male or gender eq female) and birthdate lt 1985", "a"),
    ("Patient", "not (gender eq male)", "a c"),
    ("Patient", "not (gender eq male or active eq true)", "a"),
    ("Patient", "birthdate ge 1985", "b"),
    ("Patient", "birthdate po 1980-02", "a"),
    ("Patient", "_id eq a or _id eq c", "a c"),
    ("Patient", 'organization.name co "nord"', "a"),
    ("Patient", "organization.partof.identifier eq 77", "a"),
    ("Patient", 'organization[name sw "h"].partof.name sw "groupe"', "a"),
    ("Patient", 'organization[name sw "x"].partof.name sw "groupe"', ""),
    ("Patient", "_lastUpdated gt 2020-01-01 and family pr false", "c"),
    ("Observation", "code eq http://loinc.org|1-1", "o1 o2 o4"),
    ("Observation", "code eq http://loinc.org|", "o1 o2 o3 o4 o5"),
    ("Observation", 'code eq "2-2" and subject eq Patient/a', "o3"),
    ("Observation", "subject re Patient/b", "o4 o5"),
    ("Observation", "value-quantity gt 60|http://unitsofmeasure.org|kg", "o1 o2 o4 o5"),
    ("Observation", "date sa 2021-06-01", "o3"),
    ("Observation", "date po 2020-06", "o4"),
    ("Observation", 'patient.family eq "dupont" and not (code eq 1-1)', "o3"),
    ("Observation", 'subject:Patient.family eq "dupont"', "o1 o2 o3"),
    ("Encounter", "date po 2020-01-02", "e-house e-site"),
]


@pytest.mark.parametrize(("type_", "text", "expected"), FILTERS)
async def test_filter(filled, type_, text, expected):
    found = await get(filled, f"{type_}?_filter={quote(text)}")
    assert " ".join(sorted(ids(found))) == expected
    assert f"_filter={quote(text, safe=':/,$')}" in found["link"][0]["url"]


async def test_a_filter_goes_with_everything_else(filled):
    text = quote("code eq 1-1 or code eq 2-2")
    found = await get(filled, f"Patient/a/Observation?_filter={text}&date=ge2021&_sort=-date")
    assert ids(found) == ["o3", "o2"]
    found = await get(filled, f"?_type=Patient,Group&_filter={quote('_id eq a')}")
    assert ids(found) == ["a"]


WRONG = [
    ("name", "at character 5: one of eq"),
    ("name is x", "'is' is none of eq"),
    ("name eq", "at character 8: a value is expected"),
    ('name eq "x', "does not end"),
    ("(name eq x", "')' is expected"),
    ("name eq x y", "'and', 'or' or the end"),
    ("nam eq x", "no search parameter 'nam'; did you mean name"),
    ("gender gt x", "'gt' does not go with gender"),
    ("gender.name eq x", "gender is no reference"),
    ("organization.nam eq x", "no search parameter 'nam'"),
    ("birthdate gt x", "is no date"),
    ("family pr maybe", "pr takes true or false"),
    ("(" * 40 + "name eq x" + ")" * 40, "more than 30 deep"),
    (" or ".join(["name eq x"] * 201), "more than 200 comparisons"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[row[0][:30] for row in WRONG])
async def test_a_wrong_filter_is_refused_with_its_place(client, text, told):
    for handling in ("strict", "lenient"):  # half a filter must not match everything
        answer = await client.get(
            f"Patient?_filter={quote(text)}", headers={"Prefer": f"handling={handling}"}
        )
        assert answer.status_code == 400
        assert told in answer.json()["issue"][0]["diagnostics"], answer.text


async def test_list(filled):
    assert sorted(ids(await get(filled, "Patient?_list=l"))) == ["a", "c"]
    assert sorted(ids(await get(filled, "Patient?_list=l,m"))) == ["a", "b", "c"]
    assert ids(await get(filled, "Patient?_list=List/l&family=dupont")) == ["a"]
    assert sorted(ids(await get(filled, "Patient?_list=l&_list=m"))) == []
    assert ids(await get(filled, "Patient?_list=none")) == []
    assert sorted(ids(await get(filled, "?_type=Patient,Observation&_list=l"))) == ["a", "c", "o4"]
    assert ids(await get(filled, "Observation?patient._list=m&code=1-1")) == ["o4"]
    answer = await filled.get("Patient?_list=$current-allergies")
    assert_outcome(answer, 400, "not-supported")


HIERARCHY = [
    ("Encounter?location:below=Location/site", "e-house e-site e-ward"),
    ("Encounter?location:below=house", "e-house e-ward"),
    ("Encounter?location:above=Location/ward", "e-house e-site e-ward"),
    ("Encounter?location:above=site", "e-site"),
    ("Encounter?location:below=Location/none", ""),
    ("Encounter?location:below=house,other", "e-house e-other e-ward"),
    ("Location?partof:below=site", "house ward"),
    ("Patient?organization:below=Organization/g", "a"),
]


@pytest.mark.parametrize(("url", "expected"), HIERARCHY)
async def test_hierarchies_of_resources(filled, url, expected):
    assert " ".join(sorted(ids(await get(filled, url)))) == expected


async def test_what_has_no_hierarchy_is_refused(client):
    assert_outcome(await client.get("Observation?patient:below=a"), 400, "not-supported")
    answer = await client.get("Encounter?location:below=Patient/a")
    assert_outcome(answer, 400, "invalid")


async def test_a_circle_of_locations_ends(filled):
    site = {**MORE[2], "partOf": {"reference": "Location/ward"}}
    assert (await filled.put("Location/site", json=site)).status_code == 200
    found = await get(filled, "Encounter?location:below=ward")
    assert sorted(ids(found)) == ["e-house", "e-site", "e-ward"]
