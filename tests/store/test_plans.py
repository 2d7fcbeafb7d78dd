"""Queries examine about as many keys as they return rows, by the index meant for them."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.store.indexes import (
    BY_KEY_AND_DATE,
    BY_RANGE,
    BY_UPDATE,
)
from fhir_server.store.resources import PageQuery, Store
from tests.stored import OPEN, narrow, version

BY_U = (("u", -1), ("_id", 1))
BY_D = (("d", -1), ("_id", 1))
PATIENTS = [str(n) for n in range(10)]


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.insert(
        [
            version(
                f"o{n:04}",
                updated=1_000 * n,
                date=1_000 * n,
                patient=str(n % 50),
                keys=[f"code={n % 20}", f"in=Patient/{n % 50}"],
                ranges=[(f"code={n % 20}&value", n, n, ())],
            )
            for n in range(2_000)
        ],
        OPEN,
    )
    return store


@pytest.mark.parametrize(
    ("filter_", "sort", "index", "keys"),
    [
        ({"k": "*"}, BY_U, BY_UPDATE, 20),
        ({"k": "code=3"}, BY_D, BY_KEY_AND_DATE, 20),
        ({"k": "code=3", "d": {"$gte": 9_000, "$lt": 900_000}}, BY_D, BY_KEY_AND_DATE, 20),
        ({"p": "7", "k": "*"}, BY_D, BY_KEY_AND_DATE, 20),
        ({"p": "7", "k": "code=7"}, BY_D, BY_KEY_AND_DATE, 20),
        ({"k": "in=Patient/7"}, BY_D, BY_KEY_AND_DATE, 20),
        ({"p": {"$in": PATIENTS}, "k": "*"}, BY_D, BY_KEY_AND_DATE, 31),
    ],
)
async def test_a_page_examines_what_it_returns(
    filled: Store, filter_: dict[str, Any], sort: Any, index: str, keys: int
) -> None:
    plan = await filled.explain(PageQuery("Observation", filter_, sort, 20), OPEN)
    assert plan["indexes"] == [index]
    assert "SORT" not in plan["stages"]
    assert (plan["returned"], plan["keys"] <= keys) == (20, True), plan


async def test_a_fused_range_examines_what_it_returns(filled: Store) -> None:
    between = {"k": "code=3&value", "lo": {"$gte": 100, "$lte": 299}}
    query = PageQuery("Observation", {"k": "*", "r": {"$elemMatch": between}}, hint=BY_RANGE)
    plan = await filled.explain(query, OPEN)
    assert (plan["indexes"], plan["returned"], plan["keys"] <= 11) == ([BY_RANGE], 10, True)


async def test_a_grant_costs_no_key_more(filled: Store) -> None:
    mine = narrow("in=Patient/7")
    query = PageQuery("Observation", {"p": "7", "k": "*"}, BY_D, 20)
    plan = await filled.explain(query, mine)
    assert plan["indexes"] == [BY_KEY_AND_DATE]
    assert "SORT" not in plan["stages"]
    assert plan["keys"] <= 20
    nothing = await filled.explain(query, Grant.closed())
    assert nothing["returned"] == 0
