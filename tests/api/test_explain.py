"""$explain and _explain=true: what a search costs, for those who may know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.errors import Forbidden
from fhir_server.exchange import FhirRequest, Target
from fhir_server.interactions.search_type import search_type
from fhir_server.search import direction
from tests.api.assertions import assert_outcome
from tests.searching import ids, stored


def named(parameters: list[dict[str, Any]], name: str) -> list[Any]:
    found = []
    for one in parameters:
        if one["name"] == name:
            found.append(next(value for key, value in one.items() if key != "name"))
    return found


async def explained(client, url: str) -> list[dict[str, Any]]:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "Parameters"
    return answer.json()["parameter"]


@pytest.mark.parametrize(
    "url",
    [
        "Observation/$explain?code=1-1&patient=a",
        "Observation?code=1-1&patient=a&_explain=true",
        "Patient/a/Observation?code=1-1&patient=a&_explain=true",
    ],
)
async def test_a_search_is_explained(client, url):
    found = await explained(await stored(client), url)
    assert named(found, "applied") == ["code=1-1&patient=a&_count=50"]
    (query,) = named(found, "query")
    assert named(query, "type") == ["Observation"]
    filter_ = json.loads(named(query, "filter")[0])
    assert filter_["p"] == "a"
    assert named(query, "index") == ["b_d"]
    assert "IXSCAN" in named(query, "stage")
    assert named(query, "returned") == [2]
    assert 2 <= named(query, "keys")[0] <= 6
    assert 2 <= named(query, "documents")[0] <= 4


async def test_a_chain_shows_the_ids_that_it_came_to(client):
    found = await explained(
        await stored(client), "Observation/$explain?patient.family=dupont&_sort=value-quantity"
    )
    (query,) = named(found, "query")
    assert json.loads(named(query, "filter")[0])["p"] == "a"
    assert named(query, "sort") == ["value-quantity"]


async def test_chains_that_many_meet_are_asked_of_the_rows(client, monkeypatch):
    monkeypatch.setattr(direction, "FEW", 0)
    await stored(client)
    chains = {
        "Observation/$explain?subject:Patient.active:missing=true": "subject",
        "Patient/$explain?_has:Observation:patient:code=1-1": "_has:Observation:patient",
        'Observation/$explain?_filter=not (patient.family eq "dupont")': "_filter",
    }
    for url, step in chains.items():
        (query,) = named(await explained(client, url), "query")
        assert named(query, "asked") == [step]
        assert "_id" not in json.loads(named(query, "filter")[0])


async def test_a_long_filter_is_cut(client):
    await stored(client)
    many = ",".join(f"c{number}" for number in range(50))
    found = await explained(client, f"Observation/$explain?code={many}")
    assert "... " in named(named(found, "query")[0], "filter")[0]


async def test_the_whole_server_is_explained_by_type(client):
    found = await explained(
        await stored(client), "$explain?_lastUpdated=gt2020&_type=Patient,Group"
    )
    assert [named(query, "type") for query in named(found, "query")] == [["Patient"], ["Group"]]


async def test_false_is_an_ordinary_search(client):
    answer = await (await stored(client)).get("Patient?_explain=false&_id=a")
    assert ids(answer.json()) == ["a"]
    assert_outcome(await client.get("Patient?_explain=x"), 400, "invalid", "http._explain")


async def test_only_those_may_know_who_may_see_everything(client, server):
    await stored(client)
    services = server._pages.state.services
    rule = Rule(frozenset(Action), None, (frozenset({"in=Patient/a"}),))
    request = FhirRequest(
        "GET", "Patient", Grant("test", "some", (rule,)), "http://x/fhir", target=Target("Patient")
    )
    query = (("_explain", "true"),)
    with pytest.raises(Forbidden):
        await search_type(replace(request, query=query), services)
