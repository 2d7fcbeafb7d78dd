"""`kill -9` of the whole server under 32 HTTP writers: what it answered 2xx is there afterwards."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.served import Served, serve

WRITERS = 32
PARTS = 5


@dataclass
class Answered:
    """What the server acknowledged: versions by `Type/id`, and the tags of transactions."""

    versions: dict[str, int] = field(default_factory=dict)
    transactions: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)


def observation(tag: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "fault"},
        "identifier": [{"system": "urn:faults", "value": tag}],
        "valueInteger": number,
    }


def bundle(tag: str) -> dict[str, Any]:
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{at}",
            "resource": observation(tag, at),
            "request": {"method": "POST", "url": "Observation"},
        }
        for at in range(PARTS)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


async def write(client: httpx.AsyncClient, name: str, answered: Answered) -> None:
    """Create, update with If-Match, transaction, again and again, until the server is gone."""
    for number in range(1_000_000):
        tag = f"{name}-{number}"
        created = await client.post("Observation", json=observation(f"{tag}-single", 1))
        assert created.status_code == 201
        resource = created.json()
        place = f"Observation/{resource['id']}"
        answered.versions[place] = 1
        resource["valueInteger"] = 2
        updated = await client.put(place, json=resource, headers={"If-Match": 'W/"1"'})
        assert updated.status_code == 200
        answered.versions[place] = 2
        answered.tried.append(tag)
        together = await client.post("", json=bundle(tag))
        assert together.status_code == 200
        answered.transactions.append(tag)


async def write_until_killed(server: Served, label: str, seconds: float, into: Answered) -> None:
    """All writers at once; the server is killed under them."""
    limits = httpx.Limits(max_connections=WRITERS)
    async with httpx.AsyncClient(
        base_url=server.base + "/", limits=limits, timeout=30, trust_env=False
    ) as client:
        writers = [asyncio.create_task(write(client, f"{label}-{n}", into)) for n in range(WRITERS)]
        await asyncio.sleep(seconds)
        server.kill()
        ends = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(end, httpx.TransportError) for end in ends), ends


async def verify(server: Served, answered: Answered) -> None:
    async with httpx.AsyncClient(base_url=server.base + "/", timeout=60, trust_env=False) as client:
        for place, version in answered.versions.items():
            found = await client.get(place)
            assert found.status_code == 200, place
            number = int(found.json()["meta"]["versionId"])
            assert number >= version, f"{place}: an acknowledged update is lost"
            assert found.json()["valueInteger"] == number
            history = (await client.get(f"{place}/_history")).json()
            versions = [entry["resource"]["meta"]["versionId"] for entry in history["entry"]]
            assert versions == [str(n) for n in range(number, 0, -1)]
        for tag in answered.tried:
            query = {"identifier": f"urn:faults|{tag}", "_summary": "count"}
            total = (await client.get("Observation", params=query)).json()["total"]
            assert total in (0, PARTS), f"{tag}: half a transaction"
            assert total or tag not in answered.transactions, f"{tag}: lost"


async def kill_and_verify(data: Path, rounds: int, longest: float) -> None:
    clock = random.Random(rounds)
    answered = Answered()
    for number in range(rounds):
        with serve(data) as server:
            seconds = clock.uniform(0.5, longest)
            await write_until_killed(server, f"r{number}", seconds, answered)
    assert len(answered.versions) > rounds
    with serve(data) as server:
        await verify(server, answered)


async def test_one_kill_of_the_server_loses_nothing(data: Path) -> None:
    await kill_and_verify(data, 1, 1.0)


@pytest.mark.soak
async def test_twenty_kills_of_the_server_lose_nothing(data: Path) -> None:
    await kill_and_verify(data, 20, 3.0)
