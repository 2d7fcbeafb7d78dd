"""Transactions: all or nothing, tried again, and large ones; conditional writes by claims."""

from __future__ import annotations

import asyncio
import time

import pytest

from fhir_server.errors import DuplicateId, Forbidden, Gone, NotFound, Unavailable
from fhir_server.store.connect import open_store
from fhir_server.store.resources import Session, Store, VersionConflict
from fhir_server.store.transaction import Transactions, each
from tests.stored import OPEN, deletion, narrow, version


async def test_all_of_it_is_kept_and_seen_inside(store: Store) -> None:
    await store.insert([version("old")], OPEN)

    async def write(session: Session) -> int:
        await store.insert([version("a"), version("p", type_="Patient")], OPEN, session)
        old = await store.current("Observation", "old", OPEN, session)
        assert old is not None
        await store.replace(deletion(old), old, OPEN, session)
        assert (await store.read("Observation", "a", OPEN, session)).version == 1
        with pytest.raises(NotFound):
            await store.read("Observation", "a", OPEN)
        return await store.count("Observation", {}, OPEN, session)

    assert await store.transaction(write) == 1
    found = await store.read_many([("Observation", "a"), ("Patient", "p")], OPEN)
    assert len(found) == 2
    assert (await store.vread("Observation", "old", 1, OPEN)).version == 1


async def test_nothing_is_kept_of_a_failed_one(store: Store) -> None:
    await store.insert([version("taken"), version("stale")], OPEN)
    stale = await store.current("Observation", "stale", OPEN)
    assert stale is not None
    await store.replace(version("stale", 2), stale, OPEN)

    async def duplicate(session: Session) -> None:
        await store.insert([version("a"), version("p", type_="Patient")], OPEN, session)
        await store.insert([version("b"), version("taken")], OPEN, session)

    async def alone(session: Session) -> None:
        await store.insert([version("a"), version("b")], OPEN, session)
        await store.insert([version("taken")], OPEN, session)

    async def conflict(session: Session) -> None:
        await store.insert([version("c")], OPEN, session)
        await store.replace(version("stale", 2), stale, OPEN, session)

    for write in (duplicate, alone):
        with pytest.raises(DuplicateId, match="Observation/taken"):
            await store.transaction(write)
    with pytest.raises(VersionConflict):
        await store.transaction(conflict)
    assert await store.count("Observation", {}, OPEN) == 2
    assert await store.count("Patient", {}, OPEN) == 0


async def test_many_are_replaced_at_once_and_the_lost_ones_named(store: Store) -> None:
    await store.insert([version("a"), version("b"), version("c")], OPEN)
    places = [("Observation", "a"), ("Patient", "p"), ("Observation", "b"), ("Observation", "c")]
    await store.insert([version("p", type_="Patient")], OPEN)
    old = await store.read_many(places, OPEN, tombstones=True)
    pairs = [(version(id_, 2, type_=type_), old[type_, id_]) for type_, id_ in places[:3]]
    pairs.append((deletion(old[places[3]]), old[places[3]]))

    async def write(session: Session) -> list[type]:
        return [type(one) for one in await store.replace_all(pairs, OPEN, session)]

    assert await store.transaction(write) == [type(None)] * 4
    for type_, id_ in places[:3]:
        assert (await store.read(type_, id_, OPEN)).version == 2
        assert (await store.vread(type_, id_, 1, OPEN)).raw == old[type_, id_].raw
    with pytest.raises(Gone):
        await store.read("Observation", "c", OPEN)

    now = await store.current("Observation", "b", OPEN)
    assert now is not None
    pairs[2] = (version("b", 3), now)
    lost = [VersionConflict, VersionConflict, type(None), VersionConflict]

    async def too_late(session: Session) -> None:
        assert await write(session) == lost
        raise LookupError

    with pytest.raises(LookupError):
        await store.transaction(too_late)
    assert (await store.read("Observation", "b", OPEN)).version == 2


@pytest.mark.parametrize("size", [10, 150_000])
async def test_of_many_new_ones_the_first_that_is_taken_is_told(store: Store, size: int) -> None:
    raw = b'{"x":"%b"}' % (b"x" * size)
    await store.insert([version("taken"), version("too")], OPEN)

    async def write(session: Session, *ids: str) -> None:
        await store.insert([version(id_, raw=raw) for id_ in ids], OPEN, session)

    free = [f"a{number}" for number in range(20)]
    with pytest.raises(DuplicateId, match="Observation/taken"):
        await store.transaction(lambda session: write(session, *free, "taken", "b", "too"))
    assert await store.count("Observation", {}, OPEN) == 2
    await store.transaction(lambda session: write(session, *free))
    assert await store.count("Observation", {}, OPEN) == 22
    assert (await store.read("Observation", "a19", OPEN)).raw == raw


async def test_many_new_ones_are_tried_again_where_others_are_in_the_way(store: Store) -> None:
    again, tries = asyncio.Event(), []

    async def second(session: Session) -> None:
        tries.append(1)
        if len(tries) > 1:
            again.set()
        await store.insert([version("a"), version("c")], OPEN, session)

    async def first(session: Session) -> asyncio.Task[None]:
        await store.insert([version("a"), version("b")], OPEN, session)
        waiting = asyncio.create_task(store.transaction(second))
        await asyncio.wait_for(again.wait(), 30)
        return waiting

    waiting = await store.transaction(first, {"Observation"})
    with pytest.raises(DuplicateId, match="Observation/a"):
        await waiting
    assert {one.id async for one in store.stream("Observation", {}, OPEN)} == {"a", "b"}


async def test_nothing_is_replaced_where_the_grant_refuses_one(store: Store) -> None:
    await store.insert([version("a", keys=["mine"]), version("b")], OPEN)
    old = await store.read_many([("Observation", "a"), ("Observation", "b")], OPEN, tombstones=True)
    pairs = [(version(one.id, 2, keys=["mine"]), one) for one in old.values()]

    async def write(session: Session) -> list[type]:
        return [type(one) for one in await store.replace_all(pairs, narrow("mine"), session)]

    refused = {"a": type(None), "b": Forbidden}
    assert await store.transaction(write) == [refused[one.id] for one in old.values()]
    assert (await store.read("Observation", "a", OPEN)).version == 1


async def test_inside_calls_take_turns_and_a_failed_one_is_the_last(store: Store) -> None:
    begun: list[int] = []

    async def call(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        if number == 2:
            raise NotFound("no 2")
        return number

    async def write(session: Session) -> None:
        with pytest.raises(NotFound):
            await each(session, call, [1, 2, 3])

    await store.transaction(write)
    assert begun == [1, 2]
    assert await each(None, call, [1, 3]) == [1, 3]


async def test_those_that_collide_are_tried_again(store: Store) -> None:
    await store.insert([version("n")], OPEN)

    async def add(session: Session) -> None:
        old = await store.current("Observation", "n", OPEN, session)
        assert old is not None
        await store.replace(version("n", old.version + 1), old, OPEN, session)

    await asyncio.gather(*(store.transaction(add) for _ in range(16)))
    assert (await store.read("Observation", "n", OPEN)).version == 17


async def test_of_identical_conditional_creates_one_creates(
    store: Store, mongodb: str, database_name: str
) -> None:
    """Two processes' worth of clients (each store has locks of its own), many types of luck."""
    async with open_store(mongodb, database_name) as other:
        created: list[str] = []

        async def create(number: int, where: Store) -> None:
            async def once(session: Session) -> bool:
                await where.claim("Patient?identifier=x|1", session)
                if await where.count("Patient", {"k": "identifier=x|1"}, OPEN, session):
                    return False
                new = version(f"p{number}", type_="Patient", keys=["identifier=x|1"])
                await where.insert([new], OPEN, session)
                return True

            if await where.transaction(once):
                created.append(f"p{number}")

        await asyncio.gather(*(create(n, (store, other)[n % 2]) for n in range(200)))
    assert len(created) == 1
    assert await store.count("Patient", {}, OPEN) == 1


async def test_claims_in_opposite_orders_do_not_wait_for_ever(store: Store) -> None:
    async def both(first: str, second: str) -> None:
        async def hold(session: Session) -> None:
            await store.claim(first, session)
            await asyncio.sleep(0.05)
            await store.claim(second, session)

        await store.transaction(hold)

    await asyncio.wait_for(asyncio.gather(both("x", "y"), both("y", "x")), 30)


@pytest.mark.slow
async def test_a_large_one_is_kept_whole_and_stalls_nobody(store: Store) -> None:
    text = b'"' + b"x" * 2_300 + b'"'
    large = [
        version(
            f"l{n}",
            raw=text,
            keys=[f"code={n % 50}", *(f"key{key}=some-system|{n + key}" for key in range(25))],
        )
        for n in range(25_000)
    ]
    slowest = 0.0
    done = asyncio.Event()

    async def small() -> None:
        nonlocal slowest
        number = 0
        while not done.is_set():
            start = time.monotonic()
            await store.insert([version(f"s{number}")], OPEN)
            slowest = max(slowest, time.monotonic() - start)
            number += 1
            await asyncio.sleep(0.02)

    async def all_at_once(session: Session) -> None:
        await store.insert(large, OPEN, session)

    async def run() -> float:
        start = time.monotonic()
        await store.transaction(all_at_once)
        done.set()
        return time.monotonic() - start

    took, _ = await asyncio.gather(run(), small())
    assert await store.count("Observation", {"k": "code=7"}, OPEN) == 500
    assert slowest < max(5, took / 2)  # of a slow machine's time both take more


async def test_new_types_inside_cost_no_patience(store: Store) -> None:
    types = ["Account", "Basic", "Claim", "Device", "Flag", "Goal", "Group", "List"]
    runs = 0

    async def write(session: Session) -> None:
        nonlocal runs
        runs += 1
        for type_ in types:
            await store.insert([version("a", type_=type_)], OPEN, session)

    await store.transaction(write, types)
    assert runs == 1
    types = [f"{type_}s" for type_ in types]
    await store.transaction(write)
    assert 1 < runs <= 1 + len(types)
    assert len(await store.types()) == 16


async def test_patience_with_others_ends(store: Store) -> None:
    await store.insert([version("n")], OPEN)

    async def change(session: Session) -> None:
        old = await store.current("Observation", "n", OPEN, session)
        assert old is not None
        await store.replace(version("n", old.version + 1), old, OPEN, session)

    async def change_meanwhile(session: Session) -> None:
        await change(session)
        with pytest.raises(Unavailable, match="Other writers"):
            await Transactions(store.database, patience=0.2).run(change)

    await store.transaction(change_meanwhile)
    assert (await store.read("Observation", "n", OPEN)).version == 2
