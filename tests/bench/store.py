"""The store against the bare driver, in one process and one run: `python -m tests.bench.store`.

32 callers; each line has calls per second, CPU of this process per call, and the ratio to the bare
driver's same call on the same MongoDB just before.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import randrange

import uvloop
from msgspec.structs import replace
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store import migrations
from fhir_server.store.connect import open_store
from fhir_server.store.resources import PageQuery, Session, Store, Version
from fhir_server.store.version import current_document
from tests.mongod import mongod
from tests.stored import OPEN, version

CALLERS = 32
TYPE = "Observation"
RAW = b'{"a":"' + b"x" * 1_500 + b'"}'


@dataclass
class Floor:
    """What the bare driver did."""

    rate: float = 0.0


def make(number: int) -> Version:
    """A version with as many keys as a typical Observation."""
    keys = [f"code{at}=http://loinc.org|{(number * 7 + at) % 100}" for at in range(25)]
    ranges = [(f"value{at}", number, number, ()) for at in range(3)]
    now = 1_763_757_000_000_000 + number * 1_000
    return version(
        f"id{number}", raw=RAW, date=number, patient=str(number % 200), updated=now, keys=keys,
        ranges=ranges,
    )  # fmt: skip


async def measure(
    name: str, calls: int, call: Callable[[], Awaitable[object]], floor: Floor | None = None
) -> Floor:
    """Run the calls from all callers at once and print a line."""

    async def caller() -> None:
        for _ in range(calls // CALLERS):
            await call()

    began, cpu = time.perf_counter(), _cpu()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    rate = calls / (time.perf_counter() - began)
    ratio = f"{rate / floor.rate:6.2f} x" if floor else ""
    print(f"{name:24} {rate:9,.0f}/s {1e6 * (_cpu() - cpu) / calls:9.1f} us {ratio}")
    return Floor(rate)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run(uri: str, calls: int = 4_000) -> None:
    """All measurements on one database."""
    async with open_store(uri, "bench") as store:
        await store.collections.ensure([TYPE])
        bare = store.collections.current(TYPE)
        made = iter([make(number) for number in range(calls * 2)])
        numbers = itertools.count(calls * 2)
        floor = await measure(
            "insert_one", calls, lambda: bare.insert_one(current_document(next(made)))
        )
        await measure("insert", calls, lambda: store.insert([next(made)], OPEN), floor)

        def one() -> str:
            return f"id{randrange(calls)}"

        floor = await measure("find_one", calls * 2, lambda: bare.find_one({"_id": one()}))
        await measure("read", calls * 2, lambda: store.read(TYPE, one(), OPEN), floor)
        order = (("d", -1), ("_id", 1))

        def patient() -> dict[str, str]:
            return {"p": str(randrange(200)), "k": "*"}

        floor = await measure(
            "find 20",
            calls // 2,
            lambda: bare.find(patient(), {"raw": 1, "v": 1}).sort(dict(order)).limit(20).to_list(),
        )
        await measure(
            "page of 20",
            calls // 2,
            lambda: store.page(PageQuery(TYPE, patient(), order, 20), OPEN),
            floor,
        )
        await _updates(store, calls // 4)
        await _transactions(store, numbers)


async def _updates(store: Store, calls: int) -> None:
    bare = store.collections.current(TYPE)
    plain, ours = itertools.count(), itertools.count(calls)

    async def guarded_replace() -> None:
        document = current_document(make(next(plain))) | {"v": 2}
        await bare.replace_one({"_id": document["_id"], "v": 1}, document)

    async def update() -> None:
        fresh = make(next(ours))
        old = await store.current(TYPE, fresh.id, OPEN)
        assert old is not None
        new = version(fresh.id, 2, raw=RAW, keys=fresh.keys.k if fresh.keys else ())
        await store.replace(new, old, OPEN)

    floor = await measure("guarded replace_one", calls, guarded_replace)
    await measure("current and replace", calls, update, floor)


async def _transactions(store: Store, numbers: itertools.count[int]) -> None:
    bare = store.collections.current(TYPE)

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncClientSession]:
        async with (
            store.database.client.start_session() as session,
            await session.start_transaction(),
        ):
            yield session

    async def plain() -> None:
        lot = [current_document(make(next(numbers))) for _ in range(50)]
        async with transaction() as session:
            await bare.insert_many(lot, session=session)

    async def ours() -> None:
        lot = [make(next(numbers)) for _ in range(50)]

        async def write(session: Session) -> None:
            await store.insert(lot, OPEN, session)

        await store.transaction(write)

    floor = await measure("bare transaction of 50", 96, plain)
    await measure("transaction of 50", 96, ours, floor)

    lots = [[make(next(numbers)) for _ in range(50)] for _ in range(128)]
    for lot in lots:
        await store.insert(lot, OPEN)
    turns = iter(lots)

    async def plain_updates() -> None:
        lot = [current_document(one) for one in next(turns)]
        async with transaction() as session:
            for one in lot:
                await bare.replace_one({"_id": one["_id"], "v": 1}, one, session=session)

    async def updates() -> None:
        lot = {(one.type, one.id): replace(one, version=2) for one in next(turns)}

        async def write(session: Session) -> None:
            found = await store.read_many(list(lot), OPEN, session, tombstones=True)
            await store.replace_all([(lot[at], found[at]) for at in found], OPEN, session)

        await store.transaction(write)

    floor = await measure("50 guarded replace_one", 64, plain_updates)
    await measure("50 read and replaced", 64, updates, floor)


if __name__ == "__main__":
    with mongod() as address:
        migrations.migrate(address, "bench")
        uvloop.run(run(address))
