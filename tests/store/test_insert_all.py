"""Many new resources stored together: each has its own outcome."""

from __future__ import annotations

from fhir_server.access.grant import Action
from fhir_server.errors import DuplicateId, Forbidden, TooLarge, Unprocessable
from fhir_server.store.blobs import LARGE
from fhir_server.store.database import Database
from fhir_server.store.resources import Store
from tests.stored import OPEN, deletion, narrow, version


async def test_each_has_its_own_outcome(store: Store) -> None:
    await store.insert([version("taken")], OPEN)
    writes = [version(f"n{i}") for i in range(40)]
    writes[7] = version("taken")
    writes[9] = version("huge", ranges=[("v", 2**80, 2**80, ())])
    writes[11] = version("other", type_="Basic")
    outcomes = await store.insert_all(writes, OPEN)
    assert isinstance(outcomes[7], DuplicateId)
    assert isinstance(outcomes[9], Unprocessable)
    assert [one for at, one in enumerate(outcomes) if at not in (7, 9)] == [None] * 38
    assert await store.count("Observation", {}, OPEN) == 38
    assert (await store.read("Basic", "other", OPEN)).raw == writes[11].raw


async def test_what_may_not_be_written_is_not(store: Store) -> None:
    writes = [version("mine", keys=["in=Patient/1"]), version("hers", keys=["in=Patient/2"])]
    grant = narrow("in=Patient/1", actions=[Action.CREATE])
    mine, hers = await store.insert_all(writes, grant)
    assert mine is None
    assert isinstance(hers, Forbidden)
    assert await store.known("Observation", ["mine", "hers"], OPEN) == {"mine"}


async def test_large_ones_lie_in_files(mongodb: str, database_name: str) -> None:
    large = b'{"resourceType":"Observation","x":"' + b"y" * LARGE + b'"}'
    store = Store(Database(mongodb, database_name), max_blob_bytes=len(large))
    outcomes = await store.insert_all(
        [version("a"), version("b", raw=large), version("c", raw=large + b" ")], OPEN
    )
    assert outcomes[:2] == [None, None]
    assert isinstance(outcomes[2], TooLarge)
    assert (await store.read("Observation", "b", OPEN)).raw == large
    await store.database.close()


async def test_known_is_what_is_or_was_there_and_shown(store: Store) -> None:
    await store.insert([version("a", keys=["in=Patient/1"]), version("gone")], OPEN)
    old = await store.current("Observation", "gone", OPEN)
    assert old is not None
    await store.replace(deletion(old), old, OPEN)
    assert await store.known("Observation", ["a", "gone", "b"], OPEN) == {"a", "gone"}
    assert await store.known("Observation", ["a", "gone"], narrow("in=Patient/2")) == set()
    assert await store.known("Observation", ["a", "gone"], narrow("in=Patient/1")) == {"a"}
