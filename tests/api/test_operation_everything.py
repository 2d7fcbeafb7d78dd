"""$everything, through the front door: R-52."""

from __future__ import annotations

import httpx
import pytest

from tests.api.operations import (
    ENCOUNTER,
    ORGANIZATION,
    PRACTITIONER,
    ask,
    named,
    next_link,
    observation,
    patient,
    put,
)


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
