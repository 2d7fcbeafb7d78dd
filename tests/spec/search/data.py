"""Real records for random searches: official examples and Synthea's, as one set of resources."""

from __future__ import annotations

import gzip
import json
import tarfile
from decimal import Decimal
from typing import Any

from tests.oracles import shared

Resource = dict[str, Any]

PEOPLE = 4
"""How many of Synthea's people are taken, the smallest records first."""


def examples() -> list[Resource]:
    """The official examples."""
    found = []
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found.append(json.load(file, parse_float=Decimal))
    return found


def people() -> list[Resource]:
    """Some of Synthea's people with all that belongs to them, and whom and what they refer to."""
    files = sorted(
        shared("data/synthea").glob("*/*.json.gz"),
        key=lambda file: (file.name[:2] != "0-", file.stat().st_size),
    )
    found: list[Resource] = []
    addresses: dict[str, str] = {}
    for file in files[: 2 + PEOPLE]:
        for entry in json.loads(gzip.decompress(file.read_bytes()), parse_float=Decimal)["entry"]:
            resource = entry["resource"]
            found.append(resource)
            place = f"{resource['resourceType']}/{resource['id']}"
            addresses[entry["fullUrl"]] = place
            for identifier in resource.get("identifier", ()):
                token = f"{identifier.get('system')}|{identifier['value']}"
                addresses[f"{resource['resourceType']}?identifier={token}"] = place
    for resource in found:
        _readdress(resource, addresses)
    return found


def records() -> list[Resource]:
    """All of them, each type and id once."""
    every = {(one["resourceType"], one["id"]): one for one in (*examples(), *people())}
    return list(every.values())


def _readdress(value: Any, addresses: dict[str, str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            value["reference"] = addresses.get(value["reference"], value["reference"])
        for below in value.values():
            _readdress(below, addresses)
    elif isinstance(value, list):
        for below in value:
            _readdress(below, addresses)
