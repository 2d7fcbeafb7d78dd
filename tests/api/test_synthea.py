"""Published synthetic records go in without one error, and come back as they were."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.assertions import FHIR
from tests.oracles import shared

pytestmark = [pytest.mark.oracles, pytest.mark.slow]

Properties = list[tuple[str, Any]]


def parse(text: str | bytes) -> Any:
    """JSON with the order of properties kept and numbers to the letter."""
    return json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)


def followed(value: Any, rewritten: dict[str, str]) -> Any:
    """The value with its references and urls as they are to be stored."""
    if isinstance(value, tuple):
        name, below = value
        if name in ("reference", "url") and isinstance(below, str):
            return (name, rewritten.get(below, below))
        return (name, followed(below, rewritten))
    if isinstance(value, list):
        return [followed(item, rewritten) for item in value]
    return value


def content(resource: Properties) -> Properties:
    """What must come back as it was: everything but id and meta."""
    return [(name, value) for name, value in resource if name not in ("id", "meta")]


def bundles(folder: Path) -> list[bytes]:
    """All Bundles; those that others refer to by condition come first."""
    files = sorted(folder.glob("*/*.gz"), key=lambda file: (file.name[:2] != "0-", file))
    assert len(files) == 22
    return [gzip.decompress(file.read_bytes()) for file in files]


async def test_every_bundle_goes_in_and_comes_back(client: httpx.AsyncClient) -> None:
    types: Counter[str] = Counter()
    by_identifier: dict[str, str] = {}
    for body in bundles(shared("data/synthea")):
        sent = [dict(entry) for entry in dict(parse(body))["entry"]]
        headers = {**FHIR, "Prefer": "return=representation"}
        answer = await client.post("", content=body, headers=headers, timeout=300)
        assert answer.status_code == 200, answer.text[:2000]
        stored = [dict(entry) for entry in dict(parse(answer.content))["entry"]]
        statuses = {dict(entry["response"])["status"] for entry in stored}
        assert statuses == {"201 Created"}
        rewritten: dict[str, str] = {}
        for entry, made in zip(sent, stored, strict=True):
            resource = dict(made["resource"])
            reference = f"{resource['resourceType']}/{resource['id']}"
            types[resource["resourceType"]] += 1
            rewritten[entry["fullUrl"]] = reference
            for identifier in map(dict, resource.get("identifier", ())):
                if resource["resourceType"] in ("Practitioner", "Organization", "Location"):
                    condition = f"{identifier.get('system')}|{identifier['value']}"
                    by_identifier[f"{resource['resourceType']}?identifier={condition}"] = reference
        rewritten |= by_identifier
        is_batch = dict(parse(body))["type"] == "batch"
        for entry, made in zip(sent, stored, strict=True):
            expected = content(entry["resource"])
            if not is_batch:
                expected = followed(expected, rewritten)
            assert content(made["resource"]) == expected
        location = dict(stored[-1]["response"])["location"]
        assert parse((await client.get(location)).content) == stored[-1]["resource"]
    assert sum(types.values()) == 11_712
    for type_, expected_count in types.items():
        found = await client.get(f"{type_}?_summary=count")
        assert found.json()["total"] == expected_count, type_


async def test_a_second_time_changes_nothing_where_entries_are_conditional(
    client: httpx.AsyncClient,
) -> None:
    hospitals = bundles(shared("data/synthea"))[0]
    for status in ("201 Created", "200 OK"):
        answer = await client.post("", content=hospitals, headers=FHIR, timeout=300)
        statuses = {entry["response"]["status"] for entry in answer.json()["entry"]}
        assert statuses == {status}
    for type_ in ("Organization", "Location"):
        assert (await client.get(f"{type_}?_summary=count")).json()["total"] == 194
