"""`kill -9` under 32 writers: what was acknowledged is there, and nothing is there by half.

Every second time the database is killed with its server, as by a power cut.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from fhir_server.errors import Gone
from fhir_server.store import embedded
from fhir_server.store.connect import open_store
from fhir_server.store.resources import HistoryQuery, Store
from tests.faults.store_writers import DATABASE, TRANSACTION
from tests.stored import OPEN

ROOT = Path(__file__).parents[2]


def run_and_kill(data: Path, label: str, seconds: float, database: bool) -> list[str]:
    """What the writers had acknowledged when they were killed, after this time of writing.

    With `database` mongod is killed in the same moment, as by a power cut.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.store_writers", str(data), label],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    lines: list[str] = []
    until = time.monotonic() + 60
    try:
        for line in child.stdout:
            lines.append(line.decode().strip())
            if lines[-1] == "ready":
                until = time.monotonic() + seconds
            if time.monotonic() > until:
                child.kill()
                if database:
                    os.kill(json.loads((data / "mongod" / "state.json").read_text())["pid"], 9)
                break
        # What was told before the end counts, also what lies in the pipe still.
        told = child.stdout.read().decode().splitlines()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    return [*lines, *told]


async def verify(store: Store, lines: list[str]) -> int:
    """Compare the store with what was acknowledged; how many acknowledged writes there were."""
    last: dict[str, int] = defaultdict(int)
    deleted: set[str] = set()
    acknowledged = 0
    for line in lines:
        what, _, rest = line.partition(" ")
        if what in ("create", "update", "delete", "transaction"):
            acknowledged += 1
        if what == "create":
            last[rest] = max(last[rest], 1)
        elif what == "update":
            id_, _, number = rest.partition(" ")
            last[id_] = int(number)
        elif what == "delete":
            deleted.add(rest)
        elif what == "transaction":
            found = [
                await store.count(type_, {"k": f"tag={rest}"}, OPEN) for type_ in set(TRANSACTION)
            ]
            assert sum(found) == len(TRANSACTION), f"{rest}: an acknowledged transaction is lost"
    for id_, number in last.items():
        try:
            found_version = await store.read("Observation", id_, OPEN)
        except Gone:
            page = await store.history(HistoryQuery("Observation", id_), OPEN)
            assert page.versions[0].version >= number
            continue
        assert id_ not in deleted, f"{id_}: an acknowledged deletion is lost"
        assert found_version.version >= number, f"{id_}: an acknowledged update is lost"
    await verify_whole(store)
    return acknowledged


async def verify_whole(store: Store) -> None:
    """No half transaction, no gap in a history, no version twice, no key of another version."""
    parts: dict[str, int] = defaultdict(int)
    for type_ in await store.types():
        async for one in store.stream(type_, {}, OPEN):
            assert one.keys is not None
            if "-t" in one.id:
                parts[one.id.rpartition("-t")[0]] += 1
                assert f"tag={one.id.rpartition('-t')[0]}" in one.keys.k
            else:
                expected = f"tag={one.id}-single" if one.version == 1 else f"v{one.version}"
                assert expected in one.keys.k
                assert f'"n":{one.version}'.encode() in one.raw
                page = await store.history(HistoryQuery(type_, one.id, total=False), OPEN)
                numbers = [version.version for version in page.versions]
                assert numbers == list(range(one.version, 0, -1))
    halves = [tag for tag, count in parts.items() if count != len(TRANSACTION)]
    assert not halves, f"half transactions: {halves[:5]}"


async def kill_and_verify(data: Path, rounds: int, longest: float) -> None:
    """Kill the writers so many times; then look at all of it."""
    clock = random.Random(rounds)
    lines: list[str] = []
    for number in range(rounds):
        with_database = number % 2 == 1
        told = run_and_kill(data, f"r{number}", clock.uniform(0.3, longest), with_database)
        assert told[0] == ("reused" if number % 2 else "started")
        lines += told
    database = embedded.start(data, cache_gb=0.5)
    try:
        assert database.reused == (rounds % 2 == 1)
        async with open_store(database.uri, DATABASE) as store:
            assert await verify(store, lines) > rounds * 32
    finally:
        database.stop()


async def test_two_kills_lose_nothing(data: Path) -> None:
    await kill_and_verify(data, 2, 1.5)


@pytest.mark.soak
async def test_twenty_kills_lose_nothing(data: Path) -> None:
    await kill_and_verify(data, 20, 4.0)
