"""`_maxresults`: so many matches in all, on however many pages."""

from __future__ import annotations

import pytest

from tests.api.assertions import assert_outcome
from tests.searching import get, ids, link, pages, stored


@pytest.mark.parametrize(
    ("most", "count", "sizes"),
    [(3, 2, [2, 1]), (2, 2, [2]), (1, 50, [1]), (4, 2, [2, 2]), (9, 2, [2, 2, 1]), (5, 5, [5])],
)
async def test_pages_end_at_the_most(client, most, count, sizes):
    await stored(client)
    url = f"Observation?_sort=_id&_count={count}&_maxresults={most}"
    found = await pages(client, url)
    assert [len(ids(page)) for page in found] == sizes
    assert [id_ for page in found for id_ in ids(page)] == ["o1", "o2", "o3", "o4", "o5"][:most]
    totals = {page.get("total") for page in await pages(client, f"{url}&_total=accurate")}
    assert totals == {min(most, 5)}


async def test_the_way_back_and_forth_ends_there_too(client):
    await stored(client)
    found = await pages(client, "Observation?_sort=_id&_count=2&_maxresults=3")
    back = await get(client, link(found[-1], "previous"))
    assert ids(back) == ["o1", "o2"]
    again = await get(client, link(back, "next"))
    assert ids(again) == ["o3"]
    assert link(again, "next") == ""


async def test_a_total_alone_is_cut(client):
    await stored(client)
    assert (await get(client, "Observation?_count=0&_maxresults=3"))["total"] == 3


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5"])
async def test_what_is_no_number_is_refused(client, value):
    answer = await client.get(f"Patient?_maxresults={value}")
    assert_outcome(answer, 400, "invalid", "http._maxresults")
