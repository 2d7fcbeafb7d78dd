"""Searches read about as many index keys as they find rows, whatever else the database holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.fhir import definitions
from fhir_server.search.compile import compile_plain
from fhir_server.search.conditions import Plain
from fhir_server.search.entries import entries
from fhir_server.search.index import Indexer
from fhir_server.search.keys import documents
from fhir_server.search.kinds import Filter, MatchContext
from fhir_server.search.kinds.composite_match import fused
from fhir_server.search.narrowing import narrowed
from fhir_server.search.registry import Parameter, Registry
from fhir_server.store.indexes import CURRENT, models

REGISTRY = Registry(definitions.load())
CONTEXT = MatchContext("Observation", REGISTRY, "http://server.example/fhir", 0)
SIZE = 6_000
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def observation(number: int, choose: random.Random) -> dict[str, Any]:
    """One of ten codes over five years; some of a day, few of a month, few of sampled data."""
    begin = datetime(2020, 1, 1) + timedelta(minutes=choose.randrange(2_600_000))
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": f"c{number % 10}"}]},
        "subject": {"reference": f"Patient/{number // 30}"},
    }
    amount = {"value": Decimal(choose.randrange(10_000)) / 100, "system": UCUM, "code": "kg"}
    if number % 300 == 7:
        origin = {**amount, "value": 0}
        found["valueSampledData"] = {"origin": origin, "period": 1, "dimensions": 1, "data": "1 99"}
    else:
        found["valueQuantity"] = amount
    if number % 400 == 3:
        end = begin + timedelta(days=30)
        found["effectivePeriod"] = {"start": f"{begin:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"}
    else:
        found["effectiveDateTime"] = f"{begin:%Y-%m-%d}" if number % 3 else f"{begin:%FT%TZ}"
    return found


@pytest.fixture(scope="module")
def observations(mongodb: str) -> Iterator[Collection[dict[str, Any]]]:
    index = Indexer(definitions.load(), REGISTRY, CONTEXT.base_url)
    choose = random.Random(1)
    with MongoClient[dict[str, Any]](mongodb) as client:
        collection = client["search_indexes"]["Observation"]
        collection.create_indexes(models(CURRENT))
        rows = []
        for number in range(SIZE):
            resource = observation(number, choose)
            keys = index(resource)
            ranges = documents(keys.r)
            bounds = entries("Observation", keys.p, keys.k)
            rows.append(
                {"_id": resource["id"], "u": number, **keys._asdict(), "b": bounds, "r": ranges}
            )
        collection.insert_many(rows)
        yield collection
        client.drop_database("search_indexes")


def find(code: str) -> Parameter:
    found = REGISTRY.find("Observation", code)
    assert found is not None
    return found


def match(search: str) -> Filter:
    code, _, value = search.partition("=")
    return find(code).kind.match(find(code), "", [value], CONTEXT)


def examined(
    collection: Collection[dict[str, Any]], filter_: Filter, sort: str
) -> tuple[int, int, int]:
    """Keys examined, rows returned, and rows that match in all."""
    cursor = (
        collection.find(narrowed("Observation", filter_)).sort([(sort, -1), ("_id", 1)]).limit(20)
    )
    stats = cursor.explain()["executionStats"]
    return stats["totalKeysExamined"], stats["nReturned"], collection.count_documents(filter_)


PERIODS = SIZE // 400
"""How many periods of the type are long: `ge` and the like look at each of them once."""


@pytest.mark.parametrize(
    ("key", "searches", "sort"),
    [
        ("*", [], "u"),
        ("*", [], "d"),
        (f"code={LOINC}|c3", [], "d"),
        (f"code={LOINC}|c3", ["date=2023-05"], "d"),
        (f"code={LOINC}|c3", ["date=ge2024-10"], "d"),
        (f"code={LOINC}|c3", ["date=gt2024-10"], "d"),
        (f"code={LOINC}|c3", ["date=lt2020-02"], "d"),
        (f"code={LOINC}|c3", ["date=le2020-02"], "d"),
        (f"code={LOINC}|c3", ["date=sa2024-10"], "d"),
        (f"code={LOINC}|c3", ["date=eb2020-02"], "d"),
        (f"code={LOINC}|c3", ["date=ge2023-05-01", "date=lt2023-05-20"], "d"),
        ("*", ["date=ge2024-12-01"], "d"),
        ("*", ["patient=7"], "d"),
        (f"code={LOINC}|c3", ["patient=7"], "d"),
        ("*", [f"code-value-quantity={LOINC}|c3$gt98|{UCUM}|kg"], "u"),
        ("*", [f"code-value-quantity={LOINC}|c3$ge98|{UCUM}|kg"], "u"),
        ("*", [f"code-value-quantity={LOINC}|c3$98|{UCUM}|kg"], "u"),
        ("*", [f"code-value-quantity={LOINC}|c3$lt1|{UCUM}|kg"], "u"),
        ("*", [f"value-quantity=lt0.2|{UCUM}|kg"], "u"),
    ],
)
def test_keys_examined_are_about_the_rows(
    observations: Collection[dict[str, Any]], key: str, searches: list[str], sort: str
) -> None:
    filters = [match(search) for search in searches]
    patients = [filter_ for filter_ in filters if "p" in filter_]
    others = [filter_ for filter_ in filters if "p" not in filter_]
    filter_: Filter = {"k": key, **(patients[0] if patients else {})}
    if others:
        filter_["$and"] = others
    keys, rows, total = examined(observations, filter_, sort)
    assert rows
    # an order that is not the range's own reads all that match, and sorts
    assert keys <= 2 * max(rows, total if "quantity" in str(searches) else 0) + PERIODS + 20


@pytest.mark.parametrize("value", ["gt98", "lt2", "50", "ne50", "ge99", "ap50"])
@pytest.mark.parametrize("unit", ["", f"|{UCUM}|kg", "||kg"])
def test_code_and_value_are_one_range(
    observations: Collection[dict[str, Any]], value: str, unit: str
) -> None:
    codes = [f"{LOINC}|c7", "c4"]
    amounts = [value + unit]
    one = fused(find("value-quantity"), amounts, find("code"), codes, CONTEXT)
    assert one is not None
    apart = [
        find("code").kind.match(find("code"), "", codes, CONTEXT),
        find("value-quantity").kind.match(find("value-quantity"), "", amounts, CONTEXT),
    ]
    ids = {row["_id"] for row in observations.find(one, {"_id": 1})}
    assert ids == {row["_id"] for row in observations.find({"$and": apart}, {"_id": 1})}
    assert ids
    if value.startswith(("gt", "lt", "ge")):
        keys, _, total = examined(observations, one, "u")
        assert keys <= 3 * total + 10


def test_a_search_for_code_and_value_uses_it() -> None:
    code = Plain(find("code"), "", (f"{LOINC}|c7",))
    value = Plain(find("value-quantity"), "", ("gt98",))
    beside = compile_plain(value, CONTEXT, [code, value]).filter
    assert beside == fused(value.parameter, value.values, code.parameter, code.values, CONTEXT)
    alone = compile_plain(value, CONTEXT, [Plain(find("code"), "not", ("a",)), value]).filter
    assert alone == match("value-quantity=gt98")


def test_only_what_a_composite_has_as_a_whole_is_fused() -> None:
    assert fused(find("status"), ["final"], find("code"), ["a"], CONTEXT) is None
    assert fused(find("code"), ["a"], find("value-string"), ["b"], CONTEXT) is None
    assert fused(find("combo-code"), ["a"], find("value-quantity"), ["5"], CONTEXT) is None
    assert fused(find("code"), ["a"], find("code"), ["b"], CONTEXT) is None
    assert fused(find("code"), ["a"], find("value-concept"), ["b"], CONTEXT) is not None
    many = [f"c{number}" for number in range(21)]
    assert fused(find("code"), many, find("value-quantity"), ["5"], CONTEXT) is None
