"""Conditions of writes whose chains many resources meet: they are followed from the near end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.interactions import walk
from fhir_server.search import chain, direction, near
from tests.api.assertions import FHIR, identified
from tests.api.operations import ENCOUNTER, observation, patient
from tests.api.transactions import done, entry

MANY = 6


@pytest_asyncio.fixture
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Active patients with an encounter and a final observation each, and one who is not active."""
    resources = [patient("left", active=False)]
    for number in range(MANY):
        id_ = f"a{number}"
        resources += [
            patient(id_, active=True),
            {**ENCOUNTER, "id": f"e{number}", "subject": {"reference": f"Patient/{id_}"}},
            observation(f"o{number}", f"{number}-0", "2020-01-01", id_),
        ]
    entries = [entry("PUT", f"{one['resourceType']}/{one['id']}", one) for one in resources]
    await done(client, *entries, statuses=" ".join(["201"] * len(entries)))
    return client


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer resources than there are is the most that a step at a far end may find."""
    for module in (chain, direction, walk):
        monkeypatch.setattr(module, "MAX_CHAINED", MANY - 1)
    monkeypatch.setattr(direction, "FEW", 1)
    monkeypatch.setattr(direction, "MANY", 2)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much lies between the ends."""
    monkeypatch.setattr(direction, "FEW", 1)
    monkeypatch.setattr(direction, "MANY", 2)
    monkeypatch.setattr(near, "MAX_BETWEEN", 0)


MET = (
    "patient.active=true",
    "subject:Patient.active=true",
    "encounter.status=finished",
    "patient._has:Encounter:patient:status=finished",
    "patient.active:not=false&encounter.status=finished",
    '_filter=patient.active eq "true" or encounter.status eq "none"',
    '_filter=not (patient.active eq "none") and not (encounter.status eq "none")',
)


@pytest.mark.parametrize("condition", MET)
@pytest.mark.usefixtures("bounded")
async def test_what_is_stored_is_found(stored: httpx.AsyncClient, condition: str) -> None:
    await stored.put("Observation/o2", json=pointing("2-0", "a2", "e2"), headers=FHIR)
    headers = {**FHIR, "If-None-Exist": f"code=2-0&{condition}"}
    answer = await stored.post("Observation", json=pointing("2-0", "a2", "e2"), headers=headers)
    assert answer.status_code == 200, answer.text
    assert "/Observation/o2/" in answer.headers["location"]
    answer = await stored.delete(f"Observation?code=2-0&{condition}")
    assert answer.status_code == 204, answer.text
    assert (await stored.get("Observation/o2")).status_code == 410


@pytest.mark.parametrize("condition", MET)
@pytest.mark.parametrize("way", ["bounded", "far"])
async def test_what_is_about_to_be_stored_is_found(
    stored: httpx.AsyncClient, condition: str, way: str, request: pytest.FixtureRequest
) -> None:
    """P-02: the second entry is answered with the resource of the first."""
    request.getfixturevalue(way)
    criteria = f"code=new&{condition}"
    create = entry("POST", "Observation", pointing("new", "a1", "e1"), ifNoneExist=criteria)
    first, second = await done(stored, create, create, statuses="201 200")
    assert first["response"]["location"] == second["response"]["location"]


@pytest.mark.parametrize("way", ["bounded", "far"])
async def test_what_does_not_meet_the_chain_is_not_found(
    stored: httpx.AsyncClient, way: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(way)
    criteria = "code=new&patient.active=true"
    create = entry("POST", "Observation", observation_of("left"), ifNoneExist=criteria)
    await done(stored, create, create, statuses="201 201")
    criteria = "identifier=new&_has:Observation:patient:status=final"
    create = entry("POST", "Patient", identified("new"), ifNoneExist=criteria)
    await done(stored, create, create, statuses="201 201")


def pointing(code: str, id_: str, encounter: str) -> dict[str, Any]:
    found = observation(f"o{id_[1:]}", code, "2020-01-01", id_)
    return {**found, "encounter": {"reference": f"Encounter/{encounter}"}}


def observation_of(id_: str) -> dict[str, Any]:
    return observation("x", "new", "2020-01-01", id_)
