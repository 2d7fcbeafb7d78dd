"""The doctor finds what is missing in a database, and says what to do."""

from __future__ import annotations

from fhir_server.store.examination import examine
from fhir_server.store.resources import Store
from tests.stored import OPEN, version


async def test_it_finds_what_is_missing(store: Store, mongodb: str, database_name: str) -> None:
    await store.insert([version("a")], OPEN)
    well = [finding async for finding in examine(mongodb, database_name)]
    assert [one.subject for one in well] == [*("database", "replica set", "migrations", "indexes")]
    assert all(one.sound for one in well)
    await store.collections.current("Observation").drop_index("b_d")
    ill = [one async for one in examine(mongodb, database_name) if not one.sound]
    assert [one.subject for one in ill] == ["indexes"]
    assert "Observation.b_d" in ill[0].detail
    assert all(one.advice for one in ill)


async def test_an_unmigrated_database_is_told(mongodb: str, empty_database: str) -> None:
    (ill,) = [one async for one in examine(mongodb, empty_database) if not one.sound]
    assert ill.subject == "migrations"
    assert ill.advice == "Run: fhir-server migrate"


async def test_an_address_that_is_none_ends_it() -> None:
    (only,) = [one async for one in examine("http://nowhere", "fhir")]
    assert (only.subject, only.sound) == ("database", False)
