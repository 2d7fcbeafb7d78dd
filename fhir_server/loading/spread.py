"""Files shared out among those who load them: the processes, or this one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from time import perf_counter
from typing import Protocol

from fhir_server.loading.files import File
from fhir_server.loading.lots import Lot, lots
from fhir_server.loading.report import Failure, Report
from fhir_server.loading.run import Advance
from fhir_server.loading.submissions import submissions

OPEN_FILES = 2
"""NDJSON files that are read side by side, each by a few lots more than the crew has hands."""

DATA_SET = 8
"""Files that make a folder a data set of its own."""


class Crew(Protocol):
    """Those who load: `size` pieces of work at once, lines of `longest` bytes at most."""

    size: int
    longest: int

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
    report.failures.sort(key=lambda failure: (order[failure.file], *_line(failure)))
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
        size = file.size
        told = 0
        gate = asyncio.Semaphore(crew.size + 1)

        async def submit(lot: Lot, read: int) -> None:
            nonlocal told
            try:
                done = await crew.do(lot)
            finally:
                gate.release()
            for fault in lot.unloadable:
                report.fail(Failure(file.name, fault.place, 0, (str(fault),)))
            report.add(done)
            told += read
            advance(read, done.entries)

        with file.open() as content:
            lines = submissions(file.kind, content, crew.longest)
            waiting = content.measured(lots(file.name, lines))
            following = next(waiting, None)
            while following is not None:
                async with asyncio.TaskGroup() as group:
                    while following is not None:
                        lot, read = following
                        await gate.acquire()
                        group.create_task(submit(lot, read))
                        following = next(waiting, None)
                        if following is not None and following[0].waits:
                            break
        advance(size - told, 0)


def _line(failure: Failure) -> tuple[int, bool]:
    """What sorts failures by line; what says that there is nothing `after line 7` comes after 7.

    Those of a Bundle's entries stay as they were told.
    """
    number = failure.place.rpartition("line ")[2]
    return int(number) if number.isdigit() else 0, failure.place.startswith("after")
