"""Searches at scale: `python -m tests.bench.search --size 1M [--keep FOLDER] [--write PAGE]`.

Prints for each kind of search the median and the 99th percentile of the first page of 20 through
the front door (one caller, values drawn anew each time), the keys that MongoDB examined for each
row in all steps, and the median's ratio to that of the same search on 10,000 Observations, asked
in turn with the others in the same run. What is asked for and not reached is said behind it. With
`--keep` the filled databases stay in the folder and are used again; with `--write` the table goes
into that page.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_server.app import create_app
from fhir_server.garbage import spare_tables
from fhir_server.settings import Settings
from fhir_server.store import embedded
from tests.bench.search_cases import CASES, ROWS, Case
from tests.bench.search_data import EACH, fill

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
SMALL = SIZES["10k"] // EACH
MEDIAN, P99, KEYS, RATIO = 20, 100, 3, 1.5
"""What is asked: milliseconds, keys for each row of a fused search, ratio to the small one."""

BEGIN, END = "<!-- search -->", "<!-- /search -->"
COLUMNS = ("search", "median ms", "p99 ms", "rows", "keys/row", "at 10,000", "ratio", "missed")


@dataclass
class Side:
    """One database behind its front door, and what was measured of one kind of search."""

    client: httpx.AsyncClient
    people: int
    times: list[float] = field(default_factory=list)
    rows: int = 0

    async def ask(self, case: Case, chance: random.Random) -> None:
        """Ask for a first page."""
        url = f"{case.make(chance, self.people)}&_count={ROWS}"
        began = time.perf_counter()
        answer = await self.client.get(url)
        self.times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, answer.text
        self.rows += answer.content.count(b'"mode":"match"')

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return sorted(self.times)[math.ceil(0.99 * len(self.times)) - 1]


class Bench:
    """Two servers in process, on a small and on a large database of one MongoDB."""

    def __init__(self, client: MongoClient[dict[str, Any]], people: int, calls: int) -> None:
        self._client, self._people, self._calls = client, people, calls

    async def run(self, uri: str, names: str) -> list[str]:
        """Measure the cases whose name has one of the texts in it; the rows of the table."""
        rows = []
        async with AsyncExitStack() as stack:
            large = await _front(stack, uri, self._people)
            small = await _front(stack, uri, SMALL)
            spare_tables()
            for case in CASES:
                if any(name in case.name for name in names.split(",")):
                    rows.append(await self._measure(case, large, small))
                    print(rows[-1], flush=True)
        return rows

    async def _measure(self, case: Case, front: httpx.AsyncClient, back: httpx.AsyncClient) -> str:
        large, small = Side(front, self._people), Side(back, SMALL)
        chance, again = random.Random(case.name), random.Random(case.name)
        for _ in range(10):
            await Side(front, self._people).ask(case, chance)
            await Side(back, SMALL).ask(case, again)
        keys = 0
        while len(large.times) < self._calls and sum(large.times) < 60_000:
            before = self._examined()
            await large.ask(case, chance)
            keys += self._examined() - before
            await small.ask(case, again)
        each, ratio = keys / max(large.rows, 1), large.median / small.median
        missed = [
            name
            for name, bad in (
                ("median", large.median > MEDIAN),
                ("p99", large.p99 > P99),
                ("keys", case.fused and each > KEYS),
                ("ratio", ratio > RATIO),
            )
            if bad
        ]
        many, few = (side.rows / len(side.times) for side in (large, small))
        return (
            f"| {case.name} | {large.median:.1f} | {large.p99:.1f} | {many:.0f} | {each:.1f} | "
            f"{small.median:.1f} ms, {few:.0f} rows | {ratio:.2f} | {', '.join(missed)} |"
        )

    def _examined(self) -> int:
        told = self._client["admin"].command("serverStatus")["metrics"]["queryExecutor"]
        return int(told["scanned"])


async def _front(stack: AsyncExitStack, uri: str, people: int) -> httpx.AsyncClient:
    settings = Settings(
        mongodb_uri=uri, mongodb_database=_name(people), access="open", base_definitions=False
    )
    app = create_app(settings)
    await stack.enter_async_context(app.opened())
    transport, base = httpx.ASGITransport(app), "http://127.0.0.1:8080/fhir/"
    client = httpx.AsyncClient(transport=transport, base_url=base, timeout=600)
    return await stack.enter_async_context(client)


def _name(people: int) -> str:
    return f"bench_search_{people * EACH}"


def main() -> None:
    """Start a database, fill it if need be, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="10k")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--cases", default="", help="texts in the names of cases, by commas")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    people = SIZES[options.size] // EACH
    folder = options.keep or Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = embedded.start(folder, cache_gb=3.0)
    told = []
    try:
        for size in sorted({SMALL, people}):
            rate = fill(server.uri, _name(size), size, folder)
            if rate:
                told.append(f"{size * (EACH + 1):,} resources loaded at {rate:,.0f}/s.")
                print(told[-1], flush=True)
        head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        print("\n".join(head), flush=True)
        with MongoClient[dict[str, Any]](server.uri) as client:
            bench = Bench(client, people, options.calls)
            rows = asyncio.run(bench.run(server.uri, options.cases))
    finally:
        server.stop()
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        machine = f"{os.cpu_count()} cores ({platform.machine()})"
        first = f"{people * EACH:,} Observations of {people:,} patients, {machine}."
        _write(options.write, [" ".join([first, *told]), "", *head, *rows])


def _write(page: Path, lines: list[str]) -> None:
    head, begin, rest = page.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"{page} has no place for the table: {BEGIN} and {END}")
    page.write_text("\n".join([f"{head}{begin}", *lines, f"{end}{tail}"]))


if __name__ == "__main__":
    main()
