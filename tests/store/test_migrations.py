"""Migrations are applied once, by one process, and a database that does not fit is refused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.errors import Unavailable
from fhir_server.store import lease, migrations
from fhir_server.store.connect import open_store
from fhir_server.store.database import Database


@pytest.fixture
async def database(mongodb: str, empty_database: str) -> AsyncIterator[Database]:
    opened = Database(mongodb, empty_database)
    yield opened
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("0001_one", "0002_two"):
        (tmp_path / f"{name}.py").write_text(
            "import asyncio\n"
            "async def apply(database):\n"
            "    await asyncio.sleep(0.05)\n"
            f"    await database['log'].insert_one({{'name': '{name}'}})\n"
        )
    return tmp_path


async def test_an_unmigrated_database_is_refused(mongodb: str, empty_database: str) -> None:
    with pytest.raises(Unavailable, match=r"not migrated.*fhir-server migrate"):
        async with open_store(mongodb, empty_database):
            pass


async def test_a_newer_database_is_refused(mongodb: str, database_name: str) -> None:
    database = Database(mongodb, database_name)
    await database["migrations"].insert_one({"_id": "9999_of_the_future"})
    with pytest.raises(Unavailable, match="newer than this program"):
        await migrations.apply(database)
    await database.close()
    with pytest.raises(Unavailable, match=r"newer than this program \(9999_of_the_future"):
        async with open_store(mongodb, database_name):
            pass


async def test_each_is_applied_once_by_many(database: Database, folder: Path) -> None:
    assert await migrations.pending(database, folder) == ["0001_one", "0002_two"]
    answers = await asyncio.gather(*(migrations.apply(database, folder) for _ in range(5)))
    assert sorted(itertools.chain.from_iterable(answers)) == ["0001_one", "0002_two"]
    log = await database["log"].find().to_list()
    assert [row["name"] for row in log] == ["0001_one", "0002_two"]
    assert await migrations.pending(database, folder) == []
    await migrations.check(database, folder)


async def test_an_interrupted_one_is_applied_again(database: Database, folder: Path) -> None:
    (folder / "0002_two.py").write_text("async def apply(database):\n    raise OSError('power')\n")
    with pytest.raises(OSError, match="power"):
        await migrations.apply(database, folder)
    assert await migrations.applied(database) == ["0001_one"]
    (folder / "0002_two.py").write_text("async def apply(database):\n    pass\n")
    assert await migrations.apply(database, folder) == ["0002_two"]


async def test_a_lease_is_held_by_one_and_ends_when_it_is_not_renewed(database: Database) -> None:
    assert await lease.take(database, "work", "a", seconds=1)
    assert await lease.take(database, "work", "a", seconds=1)
    assert not await lease.take(database, "work", "b")
    await asyncio.sleep(1.1)
    assert await lease.take(database, "work", "b")
    assert not await lease.take(database, "work", "a")
