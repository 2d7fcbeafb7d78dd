"""$lastn, through the front door."""

from __future__ import annotations

import httpx
import pytest

from fhir_server.search import direction
from tests.api.operations import (
    LOINC,
    ask,
    named,
    observation,
    patient,
    put,
)


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


async def test_lastn_follows_a_chain_from_the_nearer_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More patients are active than a step may find: only those of the code's are asked."""
    for name, value in {"FEW": 0, "MANY": 0, "MAX_CHAINED": 2}.items():
        monkeypatch.setattr(direction, name, value)
    for id_ in "abc":
        await put(
            client,
            patient(id_, active=True),
            observation(f"{id_}1", f"{id_}-1", "2019-01-01", id_),
            observation(f"{id_}2", f"{id_}-1", "2020-01-01", id_),
        )
    found = await ask(client, "Observation/$lastn?code=a-1,b-1&patient.active=true")
    assert named(found) == ["Observation/b2", "Observation/a2"]
    monkeypatch.setattr(direction, "MOST_CANDIDATES", 0)
    await ask(client, "Observation/$lastn?code=a-1,b-1&patient.active=true", 422)


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
