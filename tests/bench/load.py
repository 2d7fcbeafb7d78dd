"""The bench of `fhir-server load`: beside the bare driver, on one MongoDB, in one run.

    python -m tests.bench.load [--patients 400] [--cores 2]

Each patient has 100 Observations. Loading processes and MongoDB share the cores. Told are resources
a second and the processor time for each of them, without what the processes take to start; beside
it the driver putting the same records in as BSON documents with one index, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from pymongo import AsyncMongoClient

from fhir_server.fhir import codec
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from tests.bench.processes import cpu_seconds
from tests.bench.search_data import EACH, resources

TOGETHER = 256
FEW = 20
"""Patients that are loaded first: what that takes is the start, and makes the collections."""


class Taken(NamedTuple):
    """Resources, the seconds they took to go in, processor seconds of client and of MongoDB."""

    resources: int
    seconds: float
    client: float
    database: float

    def row(self, name: str, start: Taken) -> str:
        """A line of the table; the processor time is what came after `start`."""
        more = (self.resources - start.resources) / 1000
        rate = self.resources / self.seconds
        client, database = self.client - start.client, self.database - start.database
        return f"| {name} | {rate:,.0f} | {client / more:.3f} | {database / more:.3f} |"


def children() -> float:
    """Processor seconds of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loaded(folder: Path, data: Path, pid: int, people: range) -> Taken:
    """What it took the command to load these patients into the database of `data`."""
    folder.mkdir()
    with (folder / "records.ndjson").open("wb") as out:
        out.writelines(codec.encode(one) + b"\n" for n in people for one in resources(n))
    before = children(), cpu_seconds([pid])
    done = subprocess.run(
        [sys.executable, "-m", "fhir_server", "load", str(folder), "--data", str(data)],
        env={**os.environ, "FHIR_BASE_DEFINITIONS": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.search(r"Loaded ([\d,]+) entries .* in ([\d.]+) s", done.stdout)
    assert told, done.stdout
    shutil.rmtree(folder)
    count = int(told[1].replace(",", ""))
    used = children() - before[0], cpu_seconds([pid]) - before[1]
    return Taken(count, float(told[2]), *used)


async def put_in(uri: str, pid: int, people: range) -> Taken:
    """The same by the bare driver, one process, 256 documents at once."""
    records = chain.from_iterable(map(resources, people))
    documents = [{"_id": f"{one['resourceType']}/{one['id']}", **one} for one in records]
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        collection = client["floor"]["Observation"]
        await collection.create_index([("subject.reference", 1), ("code.coding.code", 1)])
        began, before = perf_counter(), (sum(os.times()[:2]), cpu_seconds([pid]))
        for first in range(0, len(documents), TOGETHER):
            await collection.insert_many(documents[first : first + TOGETHER], ordered=False)
        used = sum(os.times()[:2]) - before[0], cpu_seconds([pid]) - before[1]
    return Taken(len(documents), perf_counter() - began, *used)


def main() -> None:
    """Start a database on so many cores, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    # What is started inherits them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    folder = Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    try:
        server = embedded.start(folder)
        try:
            migrations.migrate(server.uri, Settings().mongodb_database)
            few, many = range(FEW), range(FEW, FEW + options.patients)
            start = loaded(folder / "in", folder, server.pid, few)
            load = loaded(folder / "in", folder, server.pid, many)
            floor = asyncio.run(put_in(server.uri, server.pid, many))
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
    print(f"{options.patients * (EACH + 1):,} resources, {options.cores} cores")
    print("| | resources/s | CPU ms/resource | MongoDB ms/resource |\n|---|---|---|---|")
    print(load.row("fhir-server load", start))
    print(floor.row("bare driver", Taken(0, 0.0, 0.0, 0.0)))
    ratio = load.resources / load.seconds * floor.seconds / floor.resources
    print(f"ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
