"""A load whose database goes away: for a moment, and for good."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.app import open_services
from fhir_server.loading import processes, watch
from fhir_server.loading.files import File
from fhir_server.loading.lots import LOT
from fhir_server.loading.spread import Crew, Stopped, load
from fhir_server.loading.watch import Watch
from fhir_server.loading.worker import Alone
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from fhir_server.store.connect import open_store
from tests.cli.command import running

pytestmark = pytest.mark.usefixtures("cut_off")

LOTS = 60
SIZE = 2
"""Lots under way at once."""


def written(folder: Path, name: str, count: int) -> File:
    path = folder / f"{name}.ndjson"
    lines = (
        {"resourceType": "Basic", "id": f"{name}{n}", "code": {"text": "x"}} for n in range(count)
    )
    path.write_text("\n".join(map(json.dumps, lines)))
    return File(path.name, ".ndjson", path)


@pytest.fixture
async def database(data: Path) -> embedded.Embedded:
    """A database that runs, migrated; the test kills it."""
    started = await asyncio.to_thread(embedded.start, data, cache_gb=0.25)
    await asyncio.to_thread(migrations.migrate, started.uri, "fhir")
    return started


def kill(database: embedded.Embedded) -> None:
    os.kill(database.pid, signal.SIGKILL)
    database.stop()


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[Crew]:
    async with open_services(settings) as services:
        yield Alone(services, SIZE)


@asynccontextmanager
async def several(settings: Settings) -> AsyncIterator[Crew]:
    async with processes.started(SIZE, open_services, settings) as crew:
        yield crew


def settings_for(database: embedded.Embedded) -> Settings:
    # What is under way need not take ten seconds to fail.
    uri = database.uri + "&serverSelectionTimeoutMS=500"
    return Settings(mongodb_uri=uri, mongodb_database="fhir", base_definitions=False)


async def stored(settings: Settings) -> set[str]:
    async with open_store(settings.mongodb_uri, settings.mongodb_database) as store:
        found = store.collections.current("Basic").find({}, {"_id": 1})
        return {document["_id"] async for document in found}


@pytest.mark.parametrize("crew", [alone, several])
async def test_a_load_stops_when_the_database_stays_away(crew, data, tmp_path, database):
    settings = settings_for(database)
    files = [written(tmp_path, name, LOT * LOTS) for name in "abc"]

    def advance(_: int, entries: int) -> None:
        if entries and embedded.running(data):
            kill(database)

    async with open_store(settings.mongodb_uri, "fhir") as store:
        with pytest.raises(Stopped) as stopped:
            async with crew(settings) as hands:
                await load(files, hands, Watch(store.ping, patience=1), advance)
    report = stopped.value.report
    assert report.stopped
    assert list(report.unfinished) == ["a.ndjson", "b.ndjson", "c.ndjson"]
    assert report.unfinished["c.ndjson"] == 0, "it was not begun"
    assert LOT <= report.entries < LOT * LOTS
    assert {failure.status for failure in report.failures} <= {503}

    again = await asyncio.to_thread(embedded.start, data, cache_gb=0.25)
    assert again.uri == database.uri
    try:
        there = await stored(settings)
        for name in "ab":
            before = max(report.unfinished[f"{name}.ndjson"] - 1, 0)
            assert there >= {f"{name}{n}" for n in range(before)}, "these were told to be in"
        assert len(there) >= report.entries
        async with open_store(settings.mongodb_uri, "fhir") as store, crew(settings) as hands:
            last = await load(files, hands, Watch(store.ping, watch.PATIENCE), lambda *_: None)
        assert (last.entries, last.failed, last.unfinished) == (3 * LOT * LOTS, 0, {})
    finally:
        again.stop()


@pytest.mark.parametrize("crew", [alone, several])
async def test_a_short_absence_costs_what_was_under_way_alone(crew, data, tmp_path, database):
    settings = settings_for(database)
    file = written(tmp_path, "a", LOT * LOTS)
    steps = 0
    killed = asyncio.Event()

    def advance(*_: int) -> None:
        nonlocal steps
        steps += 1
        if not killed.is_set():
            kill(database)
            killed.set()

    async def absence(watch: Watch) -> tuple[int, embedded.Embedded]:
        await killed.wait()
        while await answered(watch):  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.05)
        before = steps
        await asyncio.sleep(2)  # enough to fail several times over
        during = steps - before
        return during, await asyncio.to_thread(embedded.start, data, cache_gb=0.25)

    async with open_store(settings.mongodb_uri, "fhir") as store, crew(settings) as hands:
        watched = Watch(store.ping, watch.PATIENCE)
        restarted = asyncio.create_task(absence(watched))
        report = await load([file], hands, watched, advance)
        during, again = await restarted
    try:
        assert during <= SIZE, "nothing begins while the database is away"
        assert report.entries + report.failed == LOT * LOTS
        assert {failure.status for failure in report.failures} <= {503}
        assert bool(report.unfinished) == bool(report.failed)
        assert len(await stored(settings)) >= report.entries > LOT
    finally:
        again.stop()


async def answered(watch: Watch) -> bool:
    """Whether the database was there when it was asked last."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await watch.there()
            return True
    return False


@pytest.mark.parametrize("count", ["1", "2"])
def test_the_command_says_how_far_it_came(count, data, tmp_path, monkeypatch):
    database = embedded.start(data, cache_gb=0.25)
    migrations.migrate(database.uri, "fhir")
    hospital = tmp_path / "hospital.json"
    hospital.write_text('{"resourceType":"Organization","id":"h","name":"x"}')
    file = written(tmp_path, "b", 60_000)
    impatient = (sys.executable, "-m", "tests.faults.impatient")
    loading = ("load", hospital, file.path, "--data", data, "--processes", count)
    with running(*loading, program=impatient) as command:
        with MongoClient[dict[str, Any]](database.uri) as client:
            until = time.monotonic() + 120
            while not client["fhir"]["Basic"].estimated_document_count():
                assert time.monotonic() < until
                assert command.process.poll() is None
                time.sleep(0.05)
        kill(database)
        assert command.process.wait(120) == 1
        command.end()  # all that it said is read then
    said = "\n".join(command.complaints)
    assert "Not loaded, or only in part:" in said
    assert "hospital.json" not in said
    assert str(file.path) in said
    assert "The database has not answered for 2 seconds" in said
    assert "1 of 2 files done" in said
    assert command.complaints[-1].endswith("then run the same command again.")
    assert "Traceback" not in said
    assert [line for line in command.lines if "Loaded" not in line] == []
