"""Searches show nothing that the grant does not: not as match, include, chain, total or cursor.

The measure is non-interference: what a caller gets is the same whether the forbidden resources
exist or not (links and the moment of the search aside).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.app import open_services
from fhir_server.dispatch import dispatch
from fhir_server.errors import FhirError, Forbidden, MalformedRequest
from fhir_server.exchange import FhirRequest
from fhir_server.search.cursor import sign, verify
from fhir_server.services import Services
from fhir_server.settings import Settings
from tests.searching import RESOURCES, link

NARROW = Grant(
    "compartment",
    "patient a",
    (
        Rule(frozenset(Action), None, (frozenset({"in=Patient/a"}),)),
        Rule(frozenset({Action.READ, Action.SEARCH}), frozenset({"Organization"})),
    ),
)
B_IN_G = {**RESOURCES[3], "managingOrganization": {"reference": "Organization/g"}}
STORED = [B_IN_G if resource["id"] == "b" else resource for resource in RESOURCES]
"""The hidden Patient/b points at what is shown: that must lead nobody to it."""

HIDDEN = {"Patient/b", "Patient/c", "Observation/o4", "Observation/o5", "Group/team"}


async def put(resource: dict[str, Any], services: Services) -> None:
    place = f"{resource['resourceType']}/{resource['id']}"
    headers = {"content-type": "application/fhir+json"}
    body = json.dumps(resource).encode()
    base = services.settings.base
    await dispatch(
        FhirRequest("PUT", place, Grant.open(), base, headers=headers, body=body), services
    )


async def ask(url: str, grant: Grant, services: Services) -> dict[str, Any]:
    """The Bundle without what every answer has of its own, or the error's status."""
    parts = urlsplit(url.removeprefix(services.settings.base + "/"))
    query = tuple(parse_qsl(parts.query))
    request = FhirRequest("GET", parts.path, grant, services.settings.base, query=query)
    try:
        answer = await dispatch(request, services)
    except FhirError as error:
        return {"status": error.status, "text": str(error)}
    found: dict[str, Any] = json.loads(answer.body)
    del found["id"], found["meta"]
    for entry in found.get("entry", []):
        entry.get("resource", {}).pop("meta", None)
        entry.get("response", {}).pop("lastModified", None)
    return found


QUERIES = [
    "Observation",
    "Observation?_total=accurate&_count=1",
    "Observation?_summary=count",
    "Observation?_sort=code,-value-quantity",
    "Observation?_sort=date",
    "Observation?code=1-1",
    "Observation?patient=a,b",
    "Observation?patient=b",
    "Observation?status:not=draft",
    "Observation?code=1-1&_include=Observation:subject",
    "Observation?subject.gender=male",
    "Observation?subject.gender:not=female",
    "Observation?patient._has:Group:member:_id=team",
    "Patient?_has:Observation:patient:code=1-1",
    "Patient?_id=a,b,c",
    "Patient",
    "Patient/a/Observation",
    "Patient/b/Observation",
    "Patient/b/*",
    "Organization?_revinclude=Patient:organization",
    "Organization?_has:Patient:organization:gender=female",
    "Organization?_has:Patient:organization:_id=a,b",
    "Organization?_has:Patient:organization:_has:Observation:patient:code=1-1",
    "Organization?_id=g&_revinclude=Patient:organization",
    "Patient?_id=a&_include=*&_revinclude:iterate=Patient:organization",
    "Patient?_id=a&_revinclude=Observation:subject&_include=*",
    "?_type=Patient,Observation,Group",
    "?_summary=count",
    "Patient/_history",
    "Patient/b/_history",
    "_history",
    "Group?member=Patient/b",
]


@pytest.fixture
async def answers(mongodb: str, database_name: str) -> dict[str, list[dict[str, Any]]]:
    """Each query's answers: without the hidden resources, and then with them."""
    found: dict[str, list[dict[str, Any]]] = {query: [] for query in QUERIES}
    settings = Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open")
    async with open_services(settings) as services:
        for hidden in (False, True):
            for resource in STORED:
                place = f"{resource['resourceType']}/{resource['id']}"
                if (place in HIDDEN) == hidden and place != "Provenance/p1":
                    await put(resource, services)
            for query in QUERIES:
                answer = await ask(query, NARROW, services)
                for one in answer.get("link", []):
                    one["url"] = one["url"].partition("_cursor=")[0]
                found[query].append(answer)
    return found


async def test_the_answer_is_the_same_whether_the_forbidden_exists_or_not(
    answers: dict[str, list[dict[str, Any]]],
) -> None:
    for query, (without, with_hidden) in answers.items():
        assert with_hidden == without, query
    matches = {query: len(answer[1].get("entry", [])) for query, answer in answers.items()}
    assert matches["Observation"] == 3, "the permitted ones are shown"
    assert matches["Patient"] == 1
    assert matches["Organization?_revinclude=Patient:organization"] == 3


async def test_a_cursor_of_one_caller_is_of_no_use_to_another(
    mongodb: str, database_name: str
) -> None:
    settings = Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open")
    async with open_services(settings) as services:
        for resource in STORED:
            await put(resource, services)
        first = await ask("Observation?_count=1", Grant.open(), services)
        following = link(first, "next")
        assert (await ask(following, NARROW, services))["status"] == MalformedRequest().status
        assert "entry" in await ask(following, Grant.open(), services)


async def test_a_type_that_no_rule_names_is_forbidden_not_empty(
    mongodb: str, database_name: str
) -> None:
    only = Grant("scope", "", (Rule(frozenset({Action.SEARCH}), frozenset({"Organization"})),))
    settings = Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open")
    async with open_services(settings) as services:
        for resource in STORED:
            await put(resource, services)
        assert (await ask("Patient", only, services))["status"] == Forbidden().status
        system = await ask("?_type=Patient,Organization", only, services)
        assert {e["resource"]["resourceType"] for e in system["entry"]} == {"Organization"}
        chained = await ask("Organization?_has:Patient:organization:_id=a", only, services)
        assert chained["total"] == 0
        included = await ask("Organization?_revinclude=Patient:organization", only, services)
        assert {e["resource"]["resourceType"] for e in included["entry"]} == {"Organization"}


async def test_a_page_whose_moment_is_past_goes_on_from_the_same_place(
    mongodb: str, database_name: str
) -> None:
    settings = Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open")
    async with open_services(settings) as services:
        for resource in STORED:
            await put(resource, services)
        url = f"{settings.base}/Observation"
        whole = await ask("Observation", Grant.open(), services)
        order = [entry["resource"]["id"] for entry in whole["entry"]]
        first = await ask("Observation?_count=2", Grant.open(), services)
        text = link(first, "next").partition("_cursor=")[2]
        query = "_count=2"
        place = verify(text, f"{url}?{query}", Grant.open(), services.cursor_key)
        past = replace(place, time=1_000 << 32)  # 1970: no database keeps that
        old = sign(past, f"{url}?{query}", Grant.open(), services.cursor_key)
        shown = await ask(f"Observation?{query}&_cursor={old}", Grant.open(), services)
        assert [e["resource"]["id"] for e in shown["entry"]] == order[2:4]
        last = await ask(link(shown, "next"), Grant.open(), services)
        assert [e["resource"]["id"] for e in last["entry"]] == order[4:]
