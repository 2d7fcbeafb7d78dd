"""History of a resource, of a type and of the system, page by page."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.access.grant import Grant
from fhir_server.errors import NotFound
from fhir_server.store.resources import HistoryQuery, Place, Store
from fhir_server.store.version import history_document
from tests.stored import OPEN, deletion, narrow, version

Row = tuple[str, str, int]


async def write(store: Store, type_: str, id_: str, *instants: int, key: str = "a") -> None:
    """A resource with a version at each instant; an instant below zero is a deletion."""
    first = version(id_, type_=type_, updated=instants[0], keys=[key])
    await store.insert([first], OPEN)
    for number, instant in enumerate(instants[1:], 2):
        old = await store.current(type_, id_, OPEN)
        assert old is not None
        if instant < 0:
            new = deletion(old, -instant)
        else:
            new = version(id_, number, type_=type_, updated=instant, keys=[key])
        await store.replace(new, old, OPEN)


async def rows(store: Store, query: HistoryQuery, grant: Grant = OPEN) -> list[Row]:
    page = await store.history(query, grant)
    return [(one.type, one.id, one.version) for one in page.versions]


async def all_pages(store: Store, count: int, order: int, type_: str | None = None) -> list[Row]:
    found: list[Row] = []
    after: Place | None = None
    moment: int | None = None
    while True:
        query = HistoryQuery(
            type_, after=after, count=count, order=order, at_cluster_time=moment, total=False
        )
        page = await store.history(query, OPEN)
        found += [(one.type, one.id, one.version) for one in page.versions]
        after, moment = page.after, page.cluster_time
        if after is None:
            return found


async def test_a_resource_newest_first_with_its_deletion(store: Store) -> None:
    await write(store, "Patient", "a", 1_000, 2_000, -3_000, 4_000)
    await write(store, "Patient", "a-b", 1_500)
    page = await store.history(HistoryQuery("Patient", "a"), OPEN)
    assert [one.version for one in page.versions] == [4, 3, 2, 1]
    assert [one.deleted for one in page.versions] == [False, True, False, False]
    assert [one.method for one in page.versions] == ["PUT", "DELETE", "PUT", "POST"]
    assert page.versions[1].raw == b""
    assert page.versions[3].raw == version("a", type_="Patient").raw
    assert (page.total, page.after) == (4, None)
    assert await rows(store, HistoryQuery("Patient", "a", order=1)) == [
        ("Patient", "a", n) for n in (1, 2, 3, 4)
    ]


async def test_what_never_was_has_no_history(store: Store) -> None:
    await write(store, "Patient", "a", 1_000)
    for id_ in ("b", ""):
        with pytest.raises(NotFound):
            await store.history(HistoryQuery("Patient", id_ or "aa"), OPEN)
    page = await store.history(HistoryQuery("Patient", "a", since=5_000), OPEN)
    assert (page.versions, page.total) == ([], 0)


@pytest.mark.parametrize("order", [-1, 1])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_pages_show_every_version_once(store: Store, count: int, order: int) -> None:
    # Many share their instant, as the entries of a transaction do.
    await write(store, "Patient", "a", 1_000, 2_000, 3_000)
    await write(store, "Patient", "a-b", 1_000, 2_000, -3_000)
    await write(store, "Observation", "a", 1_000, 2_000)
    await write(store, "Encounter", "b", 2_000, 3_000)
    everything = [
        (3_000, "Encounter", "b", 2),
        (3_000, "Patient", "a", 3),
        (3_000, "Patient", "a-b", 3),
        (2_000, "Encounter", "b", 1),
        (2_000, "Observation", "a", 2),
        (2_000, "Patient", "a", 2),
        (2_000, "Patient", "a-b", 2),
        (1_000, "Observation", "a", 1),
        (1_000, "Patient", "a", 1),
        (1_000, "Patient", "a-b", 1),
    ]
    expected = [row[1:] for row in everything][::-order]
    assert await all_pages(store, count, order) == expected
    patients = [row for row in expected if row[0] == "Patient"]
    assert await all_pages(store, count, order, "Patient") == patients
    assert (await store.history(HistoryQuery(count=count), OPEN)).total == 10


async def test_since_and_at(store: Store) -> None:
    await write(store, "Patient", "a", 1_000, 3_000, 5_000)
    await write(store, "Patient", "b", 2_000, -4_000)

    async def at(start: int, end: int) -> list[Row]:
        return await rows(store, HistoryQuery("Patient", at=(start, end)))

    a, b = [("Patient", "a", n) for n in (0, 1, 2, 3)], [("Patient", "b", n) for n in (0, 1, 2)]
    assert await rows(store, HistoryQuery("Patient", since=4_000)) == [a[3], b[2]]
    assert await at(500, 900) == []
    assert await at(1_500, 1_500) == [a[1]]
    assert await at(2_500, 2_500) == [b[1], a[1]]
    assert await at(3_500, 4_500) == [b[2], a[2], b[1]]
    assert await at(9_000, 9_000) == [a[3], b[2]]
    assert await rows(store, HistoryQuery("Patient", "a", at=(3_500, 3_600))) == [a[2]]
    assert await rows(store, HistoryQuery(at=(3_500, 3_600))) == [a[2], b[1]]


async def test_an_interrupted_update_shows_no_version_twice(store: Store) -> None:
    await write(store, "Patient", "a", 1_000, 2_000)
    old = await store.current("Patient", "a", OPEN)
    assert old is not None
    # The copy is made, the replacement never comes.
    await store.collections.history("Patient").insert_one(history_document(old))
    for query in (HistoryQuery("Patient", "a"), HistoryQuery("Patient"), HistoryQuery()):
        assert await rows(store, query) == [("Patient", "a", 2), ("Patient", "a", 1)]
    assert await all_pages(store, 1, -1) == [("Patient", "a", 2), ("Patient", "a", 1)]
    await store.replace(version("a", 3, type_="Patient", updated=3_000), old, OPEN)
    assert [row[2] for row in await rows(store, HistoryQuery("Patient", "a"))] == [3, 2, 1]


async def test_pages_stay_on_one_moment_while_others_write(store: Store) -> None:
    for n in range(6):
        await write(store, "Patient", f"p{n}", 1_000 * (n + 1))
    first = await store.history(HistoryQuery("Patient", count=2), OPEN)
    old = await store.current("Patient", "p1", OPEN)
    assert old is not None
    await store.replace(deletion(old, 99_000), old, OPEN)
    await write(store, "Patient", "new", 50_000)
    query = HistoryQuery("Patient", count=10, after=first.after, at_cluster_time=first.cluster_time)
    rest = await store.history(query, OPEN)
    assert rest.still
    assert [one.id for one in rest.versions] == ["p3", "p2", "p1", "p0"]
    assert (first.total, rest.total) == (6, 6)


async def test_no_version_is_missed_under_writers(store: Store) -> None:
    await write(store, "Patient", "a", 1_000)
    done = asyncio.Event()

    async def writer() -> None:
        for number in range(2, 40):
            old = await store.current("Patient", "a", OPEN)
            assert old is not None
            new = version("a", number, type_="Patient", updated=1_000 * number)
            await store.replace(new, old, OPEN)
        done.set()

    async def reader() -> None:
        while not done.is_set():
            found = await rows(store, HistoryQuery("Patient", "a", count=100))
            assert [row[2] for row in found] == list(range(len(found), 0, -1))

    await asyncio.gather(writer(), reader(), reader())


async def test_a_grant_shows_only_its_part_of_history(store: Store) -> None:
    await write(store, "Patient", "a", 1_000, -2_000, key="in=1")
    await write(store, "Patient", "b", 1_000, 2_000, key="in=2")
    mine = narrow("in=1")
    assert await rows(store, HistoryQuery(), mine) == [("Patient", "a", 2), ("Patient", "a", 1)]
    assert (await store.history(HistoryQuery("Patient"), mine)).total == 2
    with pytest.raises(NotFound):
        await store.history(HistoryQuery("Patient", "b"), mine)
    closed = await store.history(HistoryQuery(), Grant.closed())
    assert (closed.versions, closed.total) == ([], 0)
