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
from fhir_server.loading.standing import Standing
from fhir_server.loading.submissions import line, submissions
from fhir_server.loading.watch import DatabaseLost, Watch
from fhir_server.store.background import end

OPEN_FILES = 2
"""NDJSON files that are read side by side, each by a few lots more than the crew has hands."""

DATA_SET = 8
"""Files that make a folder a data set of its own."""


class Crew(Protocol):
    """Those who load: `size` pieces of work at once, lines of `longest` bytes at most."""

    size: int
    longest: int

    async def do(self, item: File | Lot) -> Report:
        """What became of a file or lot; never asked for more than `size` at once."""
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


class Stopped(Exception):
    """The database was lost; `report` says how far the load came."""

    def __init__(self, report: Report) -> None:
        super().__init__("The load stopped, as the database does not answer")
        self.report = report


async def load(files: Sequence[File], crew: Crew, watch: Watch, advance: Advance) -> Report:
    """Load the files; those of one turn are done before the next begins.

    NDJSON is spread over the crew in lots, any other file goes to one of them as a whole, the
    largest first. Raises Stopped where the database stays away, and what the crew raises.
    """
    report = Report(len(files), unfinished={file.name: 0 for file in files})
    began = perf_counter()
    loading = _Loading(crew, watch, report, advance)
    try:
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(watch.look())
            for turn in turns(files):
                await loading.turn(turn)
            await end(looking)
    except* DatabaseLost:
        report.stopped = True
    report.seconds = perf_counter() - began
    order = {file.name: number for number, file in enumerate(files)}
    report.failures.sort(key=lambda failure: (order[failure.file], *_order(failure)))
    if report.stopped:
        raise Stopped(report)
    return report


class _Loading:
    """A load under way: what it comes to goes into the report."""

    def __init__(self, crew: Crew, watch: Watch, report: Report, advance: Advance) -> None:
        self._crew = crew
        self._watch = watch
        self._report = report
        self._advance = advance
        self._hands = asyncio.Semaphore(crew.size)
        self._reading = asyncio.Semaphore(OPEN_FILES)

    async def turn(self, files: Iterable[File]) -> None:
        """Load these files side by side."""
        async with asyncio.TaskGroup() as group:
            for file in sorted(files, key=lambda file: -file.size):
                group.create_task(
                    self._lines(file) if file.kind == ".ndjson" else self._whole(file)
                )

    async def _do(self, item: File | Lot) -> Report:
        async with self._hands:
            await self._watch.there()
            done = await self._crew.do(item)
        self._report.add(done)
        return done

    async def _whole(self, file: File) -> None:
        done = await self._do(file)
        if not done.interrupted:
            self._report.unfinished.pop(file.name, None)
        self._advance(file.size, done.entries)

    async def _lines(self, file: File) -> None:
        async with self._reading:
            size = file.size
            told = 0
            standing = Standing()
            gate = asyncio.Semaphore(self._crew.size + 1)

            async def submit(lot: Lot, read: int) -> None:
                nonlocal told
                try:
                    done = await self._do(lot)
                finally:
                    gate.release()
                for fault in lot.unloadable:
                    self._report.fail(Failure(file.name, fault.place, 0, (str(fault),)))
                standing.end(lot.line, done.interrupted)
                told += read
                self._advance(read, done.entries)

            with file.open() as content:
                lines = submissions(file.kind, content, self._crew.longest)
                waiting = content.measured(lots(file.name, lines))
                following = next(waiting, None)
                while following is not None:
                    async with asyncio.TaskGroup() as group:
                        while following is not None:
                            lot, read = following
                            standing.begin(lot.line)
                            self._report.unfinished[file.name] = standing.first or 0
                            await gate.acquire()
                            group.create_task(submit(lot, read))
                            following = next(waiting, None)
                            if following is not None and following[0].waits:
                                break
            if standing.first is None:
                self._report.unfinished.pop(file.name, None)
            self._advance(size - told, 0)


def _order(failure: Failure) -> tuple[int, bool]:
    """What sorts failures by line; what says that there is nothing `after line 7` comes after 7.

    Those of a Bundle's entries stay as they were told.
    """
    return line(failure.place), failure.place.startswith("after")
