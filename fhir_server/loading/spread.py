"""Files shared out among those who load them: the processes, or this one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from time import perf_counter
from typing import Protocol

from fhir_server.loading.files import File
from fhir_server.loading.lots import Lot, lots
from fhir_server.loading.run import Advance, Failure, Report, unreadable
from fhir_server.loading.submissions import submissions

OPEN_FILES = 2
"""NDJSON files whose lines are held in memory at once."""

DATA_SET = 8
"""Files that make a folder a data set of its own."""


class Crew(Protocol):
    """Those who load; `size` is how many pieces of work they do at once."""

    size: int

    async def do(self, item: File | Lot) -> Report:
        """What became of a file or lot, when one of them was free and did it."""
        ...


def turns(files: Iterable[File]) -> Iterator[list[File]]:
    """The files, in the order of `find`, as lists of which each is done before the next begins.

    Hospitals and practitioners come before what names them. A folder of many files is done before
    the next one begins, too: a data set refers by identifiers to what another one may have again.
    """
    for _, ranked in groupby(files, key=lambda file: file.rank):
        turn: list[File] = []
        alone = False
        for _, inside in groupby(ranked, key=lambda file: file.path.parent):
            folder = list(inside)
            if turn and (alone or len(folder) >= DATA_SET):
                yield turn
                turn = []
            alone = len(folder) >= DATA_SET
            turn += folder
        yield turn


async def load(files: Sequence[File], crew: Crew, advance: Advance) -> Report:
    """Load the files; those of one turn are done before the next begins.

    NDJSON is spread over the crew in lots, any other file goes to one of them as a whole, the
    largest first. Raises what the crew raises.
    """
    report = Report(len(files))
    began = perf_counter()
    reading = asyncio.Semaphore(OPEN_FILES)
    for turn in turns(files):
        async with asyncio.TaskGroup() as group:
            for file in sorted(turn, key=lambda file: -file.size):
                if file.kind == ".ndjson":
                    group.create_task(_lines(file, crew, reading, report, advance))
                else:
                    group.create_task(_whole(file, crew, report, advance))
    report.seconds = perf_counter() - began
    order = {file.name: number for number, file in enumerate(files)}
    report.failures.sort(key=lambda failure: order[failure.file])
    return report


async def _whole(file: File, crew: Crew, report: Report, advance: Advance) -> None:
    done = await crew.do(file)
    report.add(done)
    advance(file.size, done.entries)


async def _lines(
    file: File,
    crew: Crew,
    reading: asyncio.Semaphore,
    report: Report,
    advance: Advance,
) -> None:
    async with reading:
        try:
            body = await asyncio.to_thread(file.read)
        except (OSError, ValueError, EOFError) as fault:
            report.failures.append(unreadable(file, fault))
            advance(file.size, 0)
            return
        packed = file.size / max(len(body), 1)
        told = 0
        places: list[Failure] = []
        gate = asyncio.Semaphore(crew.size + 1)

        async def submit(lot: Lot) -> None:
            nonlocal told
            try:
                done = await crew.do(lot)
            finally:
                gate.release()
            places.extend(done.failures)
            report.entries += done.entries
            size = min(int(lot.bytes * packed), file.size - told)
            told += size
            advance(size, done.entries)

        waiting = lots(file.name, submissions(file.kind, body))
        following = next(waiting, None)
        while following is not None:
            async with asyncio.TaskGroup() as group:
                lot: Lot | None = following
                while lot is not None:
                    await gate.acquire()
                    places += [Failure(file.name, x.place, 0, (str(x),)) for x in lot.unloadable]
                    group.create_task(submit(lot))
                    following = lot = next(waiting, None)
                    if lot is not None and lot.waits:
                        break
        places.sort(key=lambda failure: int(failure.place.rpartition(" ")[2]))
        report.failures += places
        advance(file.size - told, 0)
