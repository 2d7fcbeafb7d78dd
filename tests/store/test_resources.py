"""The store on a real MongoDB: reads, guarded writes, and what a grant shows."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.access.grant import Action, Grant
from fhir_server.errors import DuplicateId, Forbidden, Gone, NotFound, TooLarge, Unprocessable
from fhir_server.search.collector import MAX_KEYS
from fhir_server.store.blobs import LARGE
from fhir_server.store.database import Database
from fhir_server.store.resources import Store, VersionConflict
from tests.stored import OPEN, deletion, narrow, version


async def test_a_resource_reads_back_to_the_byte(store: Store) -> None:
    raw = b'{"resourceType":"Observation","id":"a","valueQuantity":{"value":1.50}}'
    await store.insert([version("a", raw=raw, updated=1_763_000_000_123_000)], OPEN)
    found = await store.read("Observation", "a", OPEN)
    assert (found.raw, found.version, found.updated) == (raw, 1, 1_763_000_000_123_000)
    assert (found.method, found.deleted) == ("POST", False)


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.read("Observation", "a", OPEN)
    with pytest.raises(NotFound):
        await store.vread("Observation", "a", 1, OPEN)
    assert await store.current("Observation", "a", OPEN) is None


async def test_an_id_is_given_once(store: Store) -> None:
    await store.insert([version("a")], OPEN)
    with pytest.raises(DuplicateId):
        await store.insert([version("a", raw=b"{}")], OPEN)
    assert (await store.read("Observation", "a", OPEN)).raw != b"{}"


async def test_one_bad_member_of_a_group_fails_alone(store: Store) -> None:
    await store.insert([version("taken")], OPEN)
    writes = [version(f"n{i}") for i in range(40)]
    writes[7] = version("taken")
    writes[9] = version("huge", ranges=[("v", 2**80, 2**80, ())])
    answers = await asyncio.gather(
        *(store.insert([one], OPEN) for one in writes), return_exceptions=True
    )
    assert isinstance(answers[7], DuplicateId)
    assert isinstance(answers[9], Unprocessable)
    assert [a for i, a in enumerate(answers) if i not in (7, 9)] == [None] * 38
    assert await store.count("Observation", {}, OPEN) == 39


async def test_an_update_keeps_the_version_before(store: Store) -> None:
    first, second = version("a"), version("a", 2, updated=2_000_000)
    await store.insert([first], OPEN)
    old = await store.current("Observation", "a", OPEN)
    assert old is not None
    await store.replace(second, old, OPEN)
    assert (await store.read("Observation", "a", OPEN)).raw == second.raw
    assert (await store.vread("Observation", "a", 1, OPEN)).raw == first.raw
    assert (await store.vread("Observation", "a", 2, OPEN)).raw == second.raw


async def test_of_many_writers_of_one_version_one_wins(store: Store) -> None:
    await store.insert([version("a"), version("b")], OPEN)
    old = await store.current("Observation", "a", OPEN)
    other = await store.current("Observation", "b", OPEN)
    assert old is not None
    assert other is not None
    writes = [version("a", 2, raw=b'{"n":%d}' % i) for i in range(50)]
    answers = await asyncio.gather(
        store.replace(version("b", 2), other, OPEN),
        *(store.replace(one, old, OPEN) for one in writes),
        return_exceptions=True,
    )
    assert answers[0] is None
    winners = [i for i, answer in enumerate(answers[1:]) if answer is None]
    assert len(winners) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 49
    assert (await store.read("Observation", "a", OPEN)).raw == writes[winners[0]].raw


async def test_writers_that_try_again_lose_no_update(store: Store) -> None:
    await store.insert([version("a")], OPEN)

    async def add() -> None:
        while True:
            old = await store.current("Observation", "a", OPEN)
            assert old is not None
            try:
                await store.replace(version("a", old.version + 1), old, OPEN)
            except VersionConflict:
                continue
            return

    await asyncio.gather(*(add() for _ in range(30)))
    assert (await store.read("Observation", "a", OPEN)).version == 31
    versions = [await store.vread("Observation", "a", n, OPEN) for n in range(1, 32)]
    assert [one.version for one in versions] == list(range(1, 32))


async def test_a_deletion_leaves_a_tombstone_and_can_be_revived(store: Store) -> None:
    await store.insert([version("a", keys=["in=Patient/1"])], OPEN)
    old = await store.current("Observation", "a", OPEN)
    assert old is not None
    await store.replace(deletion(old), old, OPEN)
    with pytest.raises(Gone):
        await store.read("Observation", "a", OPEN)
    with pytest.raises(Gone):
        await store.vread("Observation", "a", 2, OPEN)
    assert await store.count("Observation", {}, OPEN) == 0
    assert await store.read_many([("Observation", "a")], OPEN) == {}
    tombstone = await store.current("Observation", "a", OPEN)
    assert tombstone is not None
    assert tombstone.deleted
    await store.replace(version("a", 3), tombstone, OPEN)
    assert (await store.read("Observation", "a", OPEN)).version == 3
    with pytest.raises(Gone):
        await store.vread("Observation", "a", 2, OPEN)


async def test_what_a_grant_does_not_show_does_not_exist(store: Store) -> None:
    mine, theirs = narrow("in=Patient/1"), narrow("in=Patient/2")
    await store.insert([version("a", keys=["in=Patient/1"])], mine)
    old = await store.current("Observation", "a", mine)
    assert old is not None
    answers = await asyncio.gather(
        store.read("Observation", "a", mine),
        store.read("Observation", "a", theirs),
        store.read("Observation", "a", OPEN),
        store.read("Observation", "a", Grant.closed()),
        return_exceptions=True,
    )
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["Version", "NotFound", "Version", "NotFound"]
    for grant in (theirs, Grant.closed()):
        assert await store.current("Observation", "a", grant) is None
        assert await store.read_many([("Observation", "a")], grant) == {}
        assert await store.count("Observation", {}, grant) == 0
        with pytest.raises(NotFound):
            await store.vread("Observation", "a", 1, grant)
        with pytest.raises(Forbidden):
            await store.replace(deletion(old), old, grant)
    await store.replace(deletion(old), old, mine)
    with pytest.raises(Gone):
        await store.read("Observation", "a", mine)
    with pytest.raises(NotFound):
        await store.read("Observation", "a", theirs)


async def test_a_grant_decides_on_a_resource_before_and_after(store: Store) -> None:
    await store.insert([version("a", keys=["in=Patient/1"])], OPEN)
    old = await store.current("Observation", "a", OPEN)
    assert old is not None
    moved = version("a", 2, keys=["in=Patient/2"])
    for grant in (narrow("in=Patient/1"), narrow("in=Patient/2")):
        with pytest.raises(Forbidden):
            await store.replace(moved, old, grant)
    with pytest.raises(Forbidden):
        await store.insert([version("b", keys=["in=Patient/2"])], narrow("in=Patient/1"))
    with pytest.raises(Forbidden):
        await store.insert([version("b")], narrow("*", actions=[Action.READ]))
    await store.replace(moved, old, narrow("in=Patient/1", "in=Patient/2"))
    assert (await store.read("Observation", "a", OPEN)).version == 2


async def test_a_large_resource_is_kept_in_parts(mongodb: str, database_name: str) -> None:
    database = Database(mongodb, database_name)
    store = Store(database, max_blob_bytes=20_000_000)
    raw = b'{"data":"' + b"x" * 17_000_000 + b'"}'
    await store.insert([version("a", type_="Binary", raw=raw)], OPEN)
    found = await store.current("Binary", "a", OPEN)
    assert found is not None
    assert found.raw == raw
    with pytest.raises(TooLarge):
        await store.insert(
            [version("b", type_="Binary", raw=b'{"data":" %b"}' % (b"x" * 20_000_000))], OPEN
        )
    await store.replace(version("a", 2, type_="Binary"), found, OPEN)
    assert (await store.vread("Binary", "a", 1, OPEN)).raw == raw
    await database.close()


async def test_files_that_nothing_points_to_are_swept(store: Store) -> None:
    from datetime import UTC, datetime, timedelta

    raw = b'{"data":"' + b"x" * 13_000_000 + b'"}'
    await store.insert([version("a", type_="Binary", raw=raw)], OPEN)
    with pytest.raises(DuplicateId):
        await store.insert([version("a", type_="Binary", raw=raw)], OPEN)
    assert await store.blobs.sweep() == 0
    assert await store.blobs.sweep(datetime.now(UTC) + timedelta(hours=2)) == 1
    assert (await store.read("Binary", "a", OPEN)).raw == raw


@pytest.mark.parametrize("size", [1024 * 1024, LARGE])
async def test_many_keys_have_room_beside_a_large_resource(store: Store, size: int) -> None:
    keys = [f"code={number:040}" for number in range(MAX_KEYS)]
    raw = b"x" * size
    await store.insert([version("a", keys=keys, patient="p" * 64, raw=raw)], OPEN)
    assert (await store.read("Observation", "a", OPEN)).raw == raw
    filter_ = {"p": "p" * 64, "k": keys[-1]}
    assert await store.count("Observation", filter_, OPEN) == 1


async def test_stamps_never_go_back(store: Store) -> None:
    stamps = [store.stamp() for _ in range(2_000)]
    assert stamps == sorted(stamps)
    assert all(stamp % 1_000 == 0 for stamp in stamps)
