"""Orders and places in them, on the real database: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.access.grant import Grant
from fhir_server.interactions.rows import Reader
from fhir_server.search.compile import Query
from fhir_server.search.computed import ComputedKey, ordered
from fhir_server.search.cursor import Cursor
from fhir_server.search.keyset import Order, stretches
from fhir_server.search.kinds.table import kind_of
from fhir_server.search.registry import Parameter
from fhir_server.store.resources import Page, PageQuery, Store
from fhir_server.store.transaction import Session
from tests.stored import OPEN, version

Documents = Collection[dict[str, Any]]


def key(code: str, type_: str, *, descending: bool) -> ComputedKey:
    """A sort key on a parameter of Observation."""
    kind = kind_of(type_, code)
    return ComputedKey(Parameter(code, "", type_, "", "", kind, stored=(code,)), descending)


@pytest.fixture
def documents(mongodb: str, database_name: str) -> Iterator[Documents]:
    """60 documents with many ties and many gaps, and the indexes of the store."""
    chance = random.Random(7)
    with MongoClient[dict[str, Any]](mongodb) as client:
        collection = client[database_name]["Observation"]
        collection.create_index([("k", 1), ("u", -1), ("_id", 1)])
        collection.create_index([("k", 1), ("d", -1), ("_id", 1), ("e", 1)])
        collection.insert_many(
            {
                "_id": f"{chance.getrandbits(32):x}",
                "u": chance.randrange(5),
                "d": chance.choice([None, 0, 1, 2, -5]),
                "k": ["*", *chance.sample(["name=ab", "name=cd", "name=é", "nam=zz"], 2)],
                "r": [
                    {"k": code, "lo": low, "hi": low + 1}
                    for code in chance.sample(["date", "value"], chance.randrange(3))
                    for low in chance.sample(range(4), 2)
                ],
            }
            for _ in range(60)
        )
        yield collection


def read(
    documents: Documents, order: Order, after: Any, backwards: bool, merged: bool, limit: int
) -> list[dict[str, Any]]:
    """A page the way the server reads it: stretch after stretch until it is full."""
    filter_ = {"k": {"$in": ["*", "name=ab"]} if merged else "*"}
    found: list[dict[str, Any]] = []
    for part in stretches(filter_, order, after, backwards=backwards, merged=merged):
        if len(found) < limit:
            rows = documents.find(part.filter).sort(list(part.sort.items()))
            found += rows.limit(limit - len(found))
    return found


@pytest.mark.parametrize("merged", [False, True], ids=["one scan", "merged scans"])
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("field", ["u", "d"])
def test_pages_forward_and_back_show_every_row_once_with_the_missing_last(
    documents: Documents, field: str, descending: bool, merged: bool
) -> None:
    order = Order(field, descending)
    rows = sorted(documents.find(), key=lambda row: row["_id"], reverse=not descending)
    present = [row for row in rows if row[field] is not None]
    present.sort(key=lambda row: row[field], reverse=descending)
    expected = [row["_id"] for row in present + [row for row in rows if row[field] is None]]

    pages: list[list[dict[str, Any]]] = []
    after = None
    while page := read(documents, order, after, False, merged, 7):
        pages.append(page)
        assert len(pages) < 20, "the pages never end"
        after = (page[-1][field], page[-1]["_id"])
    assert [row["_id"] for page in pages for row in page] == expected

    for page, before in zip(pages[1:], pages, strict=False):
        place = (page[0][field], page[0]["_id"])
        back = read(documents, order, place, True, merged, 7)
        assert [row["_id"] for row in reversed(back)] == [row["_id"] for row in before]


def test_the_next_page_examines_no_key_twice(documents: Documents) -> None:
    documents.update_many({}, {"$set": {"u": 3}})  # all ties: as after one large transaction
    last = sorted(row["_id"] for row in documents.find())[39]
    (part,) = stretches({"k": "*"}, Order("u"), (3, last), backwards=False, merged=False)
    cursor = documents.find(part.filter).sort(list(part.sort.items())).limit(10)
    assert cursor.explain()["executionStats"]["totalKeysExamined"] <= 12


@pytest.mark.parametrize(
    "keys",
    [
        [key("name", "string", descending=False)],
        [key("name", "string", descending=True)],
        [
            key("date", "date", descending=True),
            key("value", "quantity", descending=False),
        ],
        [
            key("_lastUpdated", "date", descending=False),
            key("name", "string", descending=True),
            key("_id", "token", descending=True),
        ],
    ],
    ids=["string up", "string down", "date down, quantity up", "three keys"],
)
def test_computed_orders_page_both_ways_with_the_missing_last(
    documents: Documents, keys: list[ComputedKey]
) -> None:
    def value(row: dict[str, Any], key: ComputedKey) -> Any:
        match key.parameter.code:
            case "_id":
                return row["_id"]
            case "_lastUpdated":
                return row["u"]
            case "name":
                values = [text for text in row["k"] if text.startswith("name=")]
            case code:
                edge = "hi" if key.descending else "lo"
                values = [range_[edge] for range_ in row["r"] if range_["k"] == code]
        return (max if key.descending else min)(values, default=None)

    rows = sorted(documents.find(), key=lambda row: row["_id"])
    for key in reversed(keys):  # the last key first: each sort is stable

        def found(row: dict[str, Any], key: ComputedKey = key) -> Any:
            return value(row, key)

        with_value = [row for row in rows if found(row) is not None]
        with_value.sort(key=found, reverse=key.descending)
        rows = with_value + [row for row in rows if found(row) is None]
    expected = [row["_id"] for row in rows]

    def page(after: Any, *, backwards: bool = False) -> list[dict[str, Any]]:
        return list(documents.aggregate(ordered(keys, after, backwards=backwards, limit=7)))

    pages: list[list[dict[str, Any]]] = []
    after = None
    while rows := page(after):
        pages.append(rows)
        assert len(pages) < 20, "the pages never end"
        after = [*rows[-1]["s"], rows[-1]["_id"]]
    assert [row["_id"] for rows in pages for row in rows] == expected
    for rows, before in zip(pages[1:], pages, strict=False):
        back = page([*rows[0]["s"], rows[0]["_id"]], backwards=True)
        assert list(reversed(back)) == before


class Emptied(Store):
    """A store in which a row goes between the look for its place and the look at itself."""

    async def page(self, query: PageQuery, grant: Grant, session: Session | None = None) -> Page:
        await self.database["Observation"].delete_one({"_id": query.filter["_id"]["$in"][-2]})
        return await super().page(query, grant, session)


async def test_a_page_that_loses_a_row_still_leads_to_the_next(store: Store) -> None:
    await store.insert([version(f"o{n}", keys=[f"name={n}"]) for n in range(5)], OPEN)
    query = Query("Observation", {"k": "*"}, None, (key("name", "string", descending=False),))
    past = Cursor((), time=1 << 32)  # a moment that the database no longer has
    reader = Reader(Emptied(store.database), OPEN, None, 3, keys=False)
    rows = await reader.read([query], past)
    assert [one.id for one in rows.versions] == ["o0", "o1"]
    assert rows.edges.after is not None
    assert rows.edges.after[-1] == "o2"
