"""Searches that are asked at once go out together, and each gets its own rows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_server.store.moments import united
from fhir_server.store.resources import PageQuery, Store
from tests.stored import OPEN, narrow, version

BY_D = (("d", -1), ("_id", 1))


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.insert(
        [
            version(f"o{n:03}", date=1_000 * n, patient=str(n % 7), keys=[f"code={n % 5}"])
            for n in range(200)
        ],
        OPEN,
    )
    return store


def expected(patient: int, code: int, limit: int) -> list[str]:
    found = [f"o{n:03}" for n in reversed(range(200)) if n % 7 == patient and n % 5 == code]
    return found[:limit]


async def test_each_of_many_gets_its_own_rows_in_order(filled: Store) -> None:
    cases = [(p, c, limit) for p in range(7) for c in range(5) for limit in (1, 3, 50)]
    pages = await asyncio.gather(
        *(
            filled.page(
                PageQuery("Observation", {"p": str(p), "k": f"code={c}"}, BY_D, limit), OPEN
            )
            for p, c, limit in cases
        )
    )
    for case, page in zip(cases, pages, strict=True):
        assert [one.id for one in page.versions] == expected(*case)
        assert page.cluster_time is not None


async def test_each_keeps_its_own_grant(filled: Store) -> None:
    query = PageQuery("Observation", {"k": "*"}, BY_D, 200)
    narrow_ones = [narrow(f"code={n}") for n in range(5)]
    pages = await asyncio.gather(*(filled.page(query, grant) for grant in [*narrow_ones, OPEN]))
    assert [len(page.versions) for page in pages] == [40, 40, 40, 40, 40, 200]


async def test_one_that_fails_or_is_slow_takes_no_other_with_it(filled: Store) -> None:
    slow = {"k": "*", "$expr": {"$function": {"body": "bad(", "args": [], "lang": "js"}}}
    good = [
        filled.page(PageQuery("Observation", {"k": f"code={n}"}, BY_D, 5), OPEN) for n in range(5)
    ]
    bad = filled.page(PageQuery("Observation", slow, BY_D, 5), OPEN)
    *pages, failure = await asyncio.gather(*good, bad, return_exceptions=True)
    assert isinstance(failure, Exception)
    for page in pages:
        assert not isinstance(page, BaseException)
        assert len(page.versions) == 5


def test_one_command_tells_the_rows_apart() -> None:
    find: dict[str, Any] = {
        "find": "Patient",
        "filter": {"k": "*"},
        "sort": {"d": -1},
        "limit": 3,
        "projection": {"raw": 1},
    }
    command = united([find, {**find, "limit": 4}])
    assert command["cursor"]["batchSize"] > 7
    assert [stage["$project"]["q"] for stage in command["pipeline"] if "$project" in stage] == [
        {"$literal": 0}
    ]
    assert command["pipeline"][-1]["$unionWith"]["pipeline"][-1]["$project"]["q"] == {"$literal": 1}
