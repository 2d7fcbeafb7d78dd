"""What the server sends is read by somebody else's models of FHIR: those of fhir.resources."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import httpx
import pytest
from fhir.resources import R4B

from tests.api.assertions import FHIR
from tests.oracles import shared

pytestmark = pytest.mark.oracles

LENIENT = {**FHIR, "Prefer": "handling=lenient"}


def read_by_others(body: str) -> Any:
    """The resource as the model of its type reads it; raises where that finds a fault."""
    resource = json.loads(body)
    return R4B.get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def examples() -> list[dict[str, Any]]:
    """The official examples that are not known to be faulty."""
    found = []
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found.append(json.load(file))
    return [one for one in found if len(one.get("id", "")) <= 64]


async def test_every_official_example_is_read_by_others(client: httpx.AsyncClient) -> None:
    types = set()
    for number, example in enumerate(examples()):
        id_ = example.setdefault("id", f"example-{number}")
        path = f"{example['resourceType']}/{id_}"
        put = await client.put(path, json=example, headers=LENIENT)
        assert put.status_code in (200, 201), (path, put.text)
        answer = await client.get(path, headers={"Accept": "application/fhir+json"})
        assert read_by_others(answer.text).id == id_
        types.add(example["resourceType"])
    assert len(types) > 80
    for query in ("Patient", "Observation?_include=*", "_history?_count=100", "?_type=Bundle"):
        bundle = read_by_others((await client.get(query)).text)
        assert bundle.entry


async def test_refusals_and_answers_to_bundles_are_read_by_others(
    client: httpx.AsyncClient,
) -> None:
    assert read_by_others((await client.get("Patient/nobody")).text).issue
    wrong = await client.post("Patient", json={"resourceType": "Patient", "nam": 1}, headers=FHIR)
    assert read_by_others(wrong.text).issue[0].code == "structure"
    entry = {
        "resource": {"resourceType": "Patient"},
        "request": {"method": "POST", "url": "Patient"},
    }
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = read_by_others((await client.post("", json=bundle, headers=FHIR)).text)
        assert answer.type == f"{kind}-response"
