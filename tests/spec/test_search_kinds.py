"""Every search parameter kind against a real MongoDB: what `index` writes, `match` finds."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.fhir import definitions
from fhir_server.fhir.primitives import parse_instant_range
from fhir_server.search.index import Indexer
from fhir_server.search.keys import documents
from fhir_server.search.kinds import MatchContext
from fhir_server.search.meets import meets
from fhir_server.search.registry import Registry
from fhir_server.search.values import parts

BASE = "http://server.example/fhir"
NOW = parse_instant_range("2026-11-21T20:35:00Z")[0]
REGISTRY = Registry(definitions.load())
INDEXER = Indexer(definitions.load(), REGISTRY, BASE)


class _Loader(yaml.SafeLoader):
    """Numbers as FHIR keeps them, and no dates."""


_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)

GROUPS: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parent / "search" / "kinds.yaml").read_text(), Loader=_Loader
)
CASES = [
    pytest.param(at, search, found, id=f"{group['title']}: {search}")
    for at, group in enumerate(GROUPS)
    for search, found in group["searches"].items()
]


def document(resource: dict[str, Any]) -> dict[str, Any]:
    """The document of a resource, as the store writes it."""
    keys = INDEXER(resource)
    updated = resource.get("meta", {}).get("lastUpdated", "2026-11-21T20:35:00Z")
    return {
        "_id": resource["id"],
        "u": parse_instant_range(updated)[0],
        "p": keys.p,
        "d": keys.d,
        "e": keys.e,
        "k": keys.k,
        "r": documents(keys.r),
        "s": list(keys.s),
    }


@pytest.fixture(scope="module")
def collections(mongodb: str) -> Iterator[list[Collection[dict[str, Any]]]]:
    """A collection per group, filled."""
    with MongoClient[dict[str, Any]](mongodb) as client:
        database = client["search_kinds"]
        found = []
        for at, group in enumerate(GROUPS):
            collection = database[f"group{at}"]
            collection.insert_many(
                document({"resourceType": group["type"], "id": name, **resource})
                for name, resource in group["resources"].items()
            )
            found.append(collection)
        yield found
        client.drop_database("search_kinds")


def filter_of(type_: str, search: str) -> dict[str, Any]:
    """The filter of one parameter."""
    name, _, value = search.partition("=")
    code, _, modifier = name.partition(":")
    parameter = REGISTRY.find(type_, code)
    assert parameter is not None, f"{type_} has no {code}"
    context = MatchContext(type_, REGISTRY, BASE, NOW)
    return parameter.kind.match(parameter, modifier, parts(value, ","), context)


@pytest.mark.parametrize(("at", "search", "found"), CASES)
def test_finds(
    collections: list[Collection[dict[str, Any]]], at: int, search: str, found: list[str]
) -> None:
    filter_ = filter_of(GROUPS[at]["type"], search)
    names = [one["_id"] for one in collections[at].find({"$and": [{"k": "*"}, filter_]})]
    assert sorted(names) == sorted(found)
    if "$expr" not in filter_:  # inside a transaction the same is decided without the database
        stored = collections[at].find()
        assert {one["_id"] for one in stored if meets(one, filter_)} == set(found)
