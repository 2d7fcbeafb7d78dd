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
from tests.stored import OPEN, version


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
            "async def apply(database, tell):\n"
            "    tell('half way')\n"
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
    told: list[str] = []
    calls = [migrations.apply(database, folder, told.append) for _ in range(5)]
    answers = await asyncio.gather(*calls)
    assert told == ["half way", "half way"]
    assert sorted(itertools.chain.from_iterable(answers)) == ["0001_one", "0002_two"]
    log = await database["log"].find().to_list()
    assert [row["name"] for row in log] == ["0001_one", "0002_two"]
    assert await migrations.pending(database, folder) == []
    await migrations.check(database, folder)


async def test_an_interrupted_one_is_applied_again(database: Database, folder: Path) -> None:
    (folder / "0002_two.py").write_text(
        "async def apply(database, tell):\n    raise OSError('power')\n"
    )
    with pytest.raises(OSError, match="power"):
        await migrations.apply(database, folder)
    assert await migrations.applied(database) == ["0001_one"]
    (folder / "0002_two.py").write_text("async def apply(database, tell):\n    pass\n")
    assert await migrations.apply(database, folder) == ["0002_two"]


async def test_the_old_indexes_give_way_to_the_new(mongodb: str, database_name: str) -> None:
    database = Database(mongodb, database_name)
    async with open_store(mongodb, database_name) as store:
        await store.insert([version("a", keys=["code=1"])], OPEN)
    observations = database["Observation"]
    await observations.update_many({}, {"$unset": {"b": 1}})
    await observations.insert_one({"_id": "b", "v": 2, "u": 1, "m": "DELETE", "x": True, "g": []})
    await observations.drop_index("b_d")
    old = [[("k", 1), ("d", -1), ("_id", 1), ("e", 1)], [("p", 1), ("k", 1), ("d", -1), ("_id", 1)]]
    for name, keys in zip(("k_d", "p_k_d"), old, strict=True):
        await observations.create_index(keys, name=name)
    await database["migrations"].delete_one({"_id": "0004_index_entries"})
    with pytest.raises(Unavailable, match="0004_index_entries"):
        await migrations.check(database)
    told: list[str] = []
    for _ in range(2):  # the second time nothing is left to do
        await database["migrations"].delete_one({"_id": "0004_index_entries"})
        assert await migrations.apply(database, tell=told.append) == ["0004_index_entries"]
    assert told == ["Observation: the index entries of 1 of 1 are written"]
    assert sorted(await observations.index_information()) == ["_id_", "b_d", "r", "u"]
    async with open_store(mongodb, database_name) as store:
        assert await store.count("Observation", {"p": "1", "k": "code=1"}, OPEN) == 1
    assert "b" not in (await observations.find_one({"_id": "b"}) or {"b": ""})
    await database.close()


async def test_units_go_into_the_rows_of_their_numbers(mongodb: str, database_name: str) -> None:
    database = Database(mongodb, database_name)
    async with open_store(mongodb, database_name) as store:
        await store.insert([version("a")], OPEN)
    rows = [
        {"k": "value-quantity", "lo": 5.0, "hi": 5.0},
        {"k": "value-quantity||kg", "lo": 5.0, "hi": 5.0},
        {"k": "value-quantity||kilo", "lo": 5.0, "hi": 5.0},
        {"k": "value-quantity|g", "lo": 5000.0, "hi": 5000.0},
        {"k": "value-quantity~", "lo": 1.0, "hi": 5.0},
        {"k": "value-quantity", "lo": 1.0, "hi": 5.0},
        {"k": "value-quantity||lb~", "lo": 1.0, "hi": 5.0},
        {"k": "value-quantity||lb", "lo": 1.0, "hi": 5.0},
        {"k": "code-value-quantity=|x&", "lo": 5.0, "hi": 5.0},
        {"k": "code-value-quantity=|x&||kg", "lo": 5.0, "hi": 5.0},
    ]
    await database["Observation"].update_many({}, {"$set": {"r": rows}})
    old = {"_id": "a/0000000001", "i": "a", "v": 1, "r": rows[:2]}
    await database["Observation_history"].insert_one(old)
    await database["migrations"].delete_one({"_id": "0005_units_in_rows"})
    assert await migrations.apply(database) == ["0005_units_in_rows"]
    found = (await database["Observation"].find_one({"_id": "a"}) or {})["r"]
    assert [(row["k"], row["lo"], row.get("w", [])) for row in found] == [
        ("value-quantity", 5.0, ["kg", "kilo"]),
        ("value-quantity|g", 5000.0, []),
        ("value-quantity~", 1.0, ["lb"]),
        ("value-quantity", 1.0, ["lb"]),
        ("code-value-quantity=|x&", 5.0, ["kg"]),
    ]
    kept = (await database["Observation_history"].find_one({"_id": "a/0000000001"}) or {})["r"]
    assert kept == [{"k": "value-quantity", "lo": 5.0, "hi": 5.0, "w": ["kg"]}]
    await database.close()


async def test_systems_go_into_the_rows_of_their_codes(mongodb: str, database_name: str) -> None:
    database = Database(mongodb, database_name)
    async with open_store(mongodb, database_name) as store:
        await store.insert([version("a")], OPEN)
    name = "code-value-quantity"
    rows = [
        {"k": "value-quantity", "lo": 5.0, "hi": 5.0, "w": ["kg"]},
        {"k": f"{name}=x&", "lo": 5.0, "hi": 5.0, "w": ["kg"]},
        {"k": f"{name}=http://s|x&", "lo": 5.0, "hi": 5.0, "w": ["kg"]},
        {"k": f"{name}=x&|g", "lo": 5e3, "hi": 5e3},
        {"k": f"{name}=http://s|x&|g", "lo": 5e3, "hi": 5e3},
        {"k": f"{name}=http://t|x&|g", "lo": 5e3, "hi": 5e3},
        {"k": f"{name}+=a\\|b&c&", "lo": 5.0, "hi": 6.0},
        {"k": f"{name}+=|a\\|b&c&", "lo": 5.0, "hi": 6.0},
    ]
    await database["Observation"].update_many({}, {"$set": {"r": rows}})
    await database["migrations"].delete_one({"_id": "0006_systems_in_rows"})
    assert await migrations.apply(database) == ["0006_systems_in_rows"]
    found = (await database["Observation"].find_one({"_id": "a"}) or {})["r"]
    assert [(row["k"], row.get("w", [])) for row in found] == [
        ("value-quantity", ["kg"]),
        (f"{name}=x&", ["kg", "=http://s|x"]),
        (f"{name}=x&|g", ["=http://s|x", "=http://t|x"]),
        (f"{name}+=a\\|b&c&", ["=|a\\|b&c"]),
    ]
    await database.close()


async def test_a_lease_is_held_by_one_and_ends_when_it_is_not_renewed(database: Database) -> None:
    assert await lease.take(database, "work", "a")
    assert await lease.take(database, "work", "a")
    assert not await lease.take(database, "work", "b")
    assert await lease.take(database, "work", "a", seconds=0)
    await asyncio.sleep(0.1)
    assert await lease.take(database, "work", "b")
    assert not await lease.take(database, "work", "a")
