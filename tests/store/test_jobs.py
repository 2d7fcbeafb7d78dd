"""Jobs go on where the last worker stopped; a reindex leaves no stale key."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.search.keys import Keys
from fhir_server.store import reindex
from fhir_server.store.jobs import Jobs, LeaseLost
from fhir_server.store.resources import Store
from tests.stored import OPEN, deletion, version


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store.database)


async def test_one_worker_has_a_job(jobs: Jobs) -> None:
    job = await jobs.add("export", {"$odd": "$name"})
    taken = await asyncio.gather(*(jobs.take("export") for _ in range(8)))
    (mine,) = [one for one in taken if one is not None]
    assert (mine.id, mine.state, mine.attempt) == (job.id, "running", 1)
    assert mine.request == {"$odd": "$name"}
    saved = await jobs.save(mine, {"at": "$x"}, 5, 10)
    assert (saved.checkpoint, saved.done, saved.total) == ({"at": "$x"}, 5, 10)
    assert (await jobs.finish(saved)).state == "done"
    assert await jobs.take("export") is None
    assert await jobs.unfinished("export") == []


async def test_a_lost_worker_is_replaced_and_told(store: Store, jobs: Jobs) -> None:
    await jobs.add("export", {})
    first = await jobs.take("export")
    assert first is not None
    await jobs.save(first, {"at": 3}, 3, 9)
    past = [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}]
    await store.database["jobs"].update_one({"_id": first.id}, past)
    second = await jobs.take("export")
    assert second is not None
    assert (second.id, second.attempt, second.checkpoint) == (first.id, 2, {"at": 3})
    with pytest.raises(LeaseLost):
        await jobs.save(first, {"at": 4}, 4, 9)
    await jobs.save(second, {"at": 4}, 4, 9)
    assert await jobs.cancel(second.id)
    with pytest.raises(LeaseLost):
        await jobs.finish(second)


def keys_of(raw: bytes) -> Keys:
    return Keys(None, 5, 6, ["*", "$new"], [("n", 1, 2, ())])


async def test_a_reindex_goes_on_where_it_was_interrupted(store: Store, jobs: Jobs) -> None:
    many = [version(f"o{n:04}", keys=["old"]) for n in range(450)]
    await store.insert([*many, version("p", type_="Patient", keys=["old"])], OPEN)
    old = await store.current("Observation", "o0003", OPEN)
    assert old is not None
    await store.replace(deletion(old), old, OPEN)
    job = await reindex.request(jobs)
    assert (await reindex.request(jobs)).id == job.id
    seen: list[int] = []

    def power_cut(done: int, total: int) -> None:
        seen.append(done)
        assert total == 450
        if len(seen) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await reindex.work(store, jobs, keys_of, power_cut)
    past = [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}]
    await store.database["jobs"].update_one({"_id": job.id}, past)
    finished = await reindex.work(store, jobs, keys_of, lambda done, total: seen.append(done))
    assert seen == [200, 400, 449, 450]
    assert finished is not None
    assert (finished.state, finished.done, finished.total) == ("done", 450, 450)
    for type_, number in (("Observation", 449), ("Patient", 1)):
        assert await store.count(type_, {"k": "old"}, OPEN) == 0
        assert await store.count(type_, {"k": "$new", "r.k": "n", "d": 5}, OPEN) == number
        assert await store.count(type_, {"p": "1"}, OPEN) == 0
    assert (await store.read("Observation", "o0001", OPEN)).raw == many[1].raw


async def test_a_reindex_that_cannot_be_done_says_why(store: Store, jobs: Jobs) -> None:
    await store.insert([version("a")], OPEN)
    job = await reindex.request(jobs, ["Observation"])

    def fail(raw: bytes) -> Keys:
        raise ValueError("no key for this")

    with pytest.raises(ValueError, match="no key"):
        await reindex.work(store, jobs, fail)
    after = await jobs.get(job.id)
    assert after is not None
    assert (after.state, after.error) == ("failed", "ValueError: no key for this")
