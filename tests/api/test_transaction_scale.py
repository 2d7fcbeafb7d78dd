"""Transactions that are large, or many at a time. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, identified, patient

Json = dict[str, Any]

ENTRIES = 25_000
BYTES = 60_000_000
PATIENCE = 1.0
"""Seconds within which a small request must be answered beside a large one, on a busy machine."""


def measurement(number: int, note: str) -> Json:
    """One entry with an Observation of the Bundle's own patient."""
    code = {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "HbA1c"}]}
    return {
        "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
        "resource": {
            "resourceType": "Observation",
            "status": "final",
            "code": code,
            "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"},
            "effectiveDateTime": "2020-01-01T10:00:00Z",
            "valueQuantity": {
                "value": 6.1,
                "unit": "%",
                "system": "http://unitsofmeasure.org",
                "code": "%",
            },
            "note": [{"text": note}],
        },
        "request": {"method": "POST", "url": "Observation"},
    }


def large(*more: Json) -> bytes:
    """A transaction of a patient with measurements, and what else is given."""
    owner = {**measurement(0, ""), "resource": patient()}
    owner["request"] = {"method": "POST", "url": "Patient"}
    note = "x" * (BYTES // ENTRIES - 520)
    entries = [owner, *(measurement(number, note) for number in range(1, ENTRIES)), *more]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return json.dumps(body, separators=(",", ":")).encode()


@pytest.mark.slow
async def test_a_transaction_of_25000_entries_and_60_mb(client: httpx.AsyncClient) -> None:
    """No hidden limit; small requests are answered meanwhile and see nothing of it."""
    body = large()
    assert len(body) > 0.95 * BYTES
    await client.put("Patient/small", json=patient(id="small"), headers=FHIR)
    waits: list[float] = []
    sending = asyncio.create_task(client.post("", content=body, headers=FHIR, timeout=300))
    while not sending.done():
        began = time.perf_counter()
        assert (await client.get("Patient/small")).status_code == 200
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    response = await sending
    assert response.status_code == 200, response.text[:2000]
    assert len(response.json()["entry"]) == ENTRIES
    waits.sort()
    assert waits[int(len(waits) * 0.98)] < PATIENCE
    assert (await client.get("Observation?_summary=count")).json()["total"] == ENTRIES - 1


@pytest.mark.slow
async def test_a_failing_entry_of_a_large_transaction_leaves_nothing(
    client: httpx.AsyncClient,
) -> None:
    """R-34: also when only the database can tell, after all else is written."""
    last = {"request": {"method": "GET", "url": "Patient/unknown"}}
    response = await client.post("", content=large(last), headers=FHIR, timeout=300)
    assert_outcome(response, 404, "not-found", f"Bundle.entry[{ENTRIES}]")
    for type_ in ("Observation", "Patient"):
        assert (await client.get(f"{type_}?_summary=count")).json()["total"] == 0


async def test_of_many_identical_transactions_one_creates(client: httpx.AsyncClient) -> None:
    """P-01 inside transactions: several conditions each, in different orders."""

    def bundle(turn: int) -> Json:
        entries = []
        for name in ("1", "2", "3"):
            request = {
                "method": "POST",
                "url": "Patient",
                "ifNoneExist": f"identifier=urn:example:mrn|{name}",
            }
            entries.append({"resource": identified(name), "request": request})
        entries = entries[turn % 3 :] + entries[: turn % 3]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    answers = await asyncio.gather(
        *(client.post("", json=bundle(turn), headers=FHIR) for turn in range(32))
    )
    assert {answer.status_code for answer in answers} == {200}
    created = [
        entry
        for answer in answers
        for entry in answer.json()["entry"]
        if entry["response"]["status"] == "201 Created"
    ]
    assert len(created) == 3
    assert (await client.get("Patient?_summary=count")).json()["total"] == 3


async def test_concurrent_transactions_on_one_resource_all_count(
    client: httpx.AsyncClient,
) -> None:
    """R-43: none is lost, each is a version of its own."""

    def bundle(number: int) -> Json:
        entries = [
            {
                "resource": patient(id="a", multipleBirthInteger=number),
                "request": {"method": "PUT", "url": "Patient/a"},
            },
            {
                "resource": identified(str(number)),
                "request": {"method": "POST", "url": "Patient"},
            },
        ]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    answers = await asyncio.gather(
        *(client.post("", json=bundle(number), headers=FHIR) for number in range(12))
    )
    assert {answer.status_code for answer in answers} == {200}
    tags = sorted(int(answer.json()["entry"][0]["response"]["etag"][3:-1]) for answer in answers)
    assert tags == list(range(1, 13))
    assert (await client.get("Patient?_summary=count")).json()["total"] == 13
