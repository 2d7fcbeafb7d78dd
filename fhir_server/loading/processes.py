"""Loading by several processes, each with its own way into the store."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from time import perf_counter

from fhir_server.loading.files import File
from fhir_server.loading.lots import Lot, lots
from fhir_server.loading.run import Advance, Failure, Report, unreadable
from fhir_server.loading.submissions import submissions
from fhir_server.loading.worker import Opener, Work, work
from fhir_server.settings import Settings

MOST = 4
"""Processes at most unless asked for more: the database wants some of the cores too."""

WORTHWHILE = 64 * 1024
"""Bytes of files (packed, where they are packed) that another process is started for."""

PATIENCE = 10.0
"""Seconds that a process has to close what it opened."""

OPEN_FILES = 2
"""NDJSON files whose lines are held in memory at once."""

DATA_SET = 8
"""Files that make a folder a data set of its own."""

Child = tuple[SpawnProcess, Connection]


class ProcessLost(RuntimeError):
    """One of the processes ended before its work did."""


def fitting(files: Sequence[File]) -> int:
    """How many processes suit the files: as many as cores, MOST at most, fewer for little work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bundles = sum(file.kind != ".ndjson" for file in files)
    size = sum(file.size for file in files)
    pieces = len(files) if bundles == len(files) else MOST
    return max(1, min(MOST, cores or 1, pieces, size // WORTHWHILE))


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


class Processes:
    """Processes at work; each does one file or lot at a time."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.size = len(children)
        self._idle: asyncio.Queue[Child] = asyncio.Queue()
        for child in children:
            self._idle.put_nowait(child)

    async def do(self, item: Work) -> Report:
        """What became of a file or lot, by the first process that is free.

        Raises ProcessLost where that process ended.
        """
        child = await self._idle.get()
        report = await asyncio.to_thread(_exchange, child[1], item)
        self._idle.put_nowait(child)
        if not isinstance(report, Report):
            raise TypeError(f"A process answered {type(report).__name__}")
        return report


@asynccontextmanager
async def started(count: int, opener: Opener, settings: Settings) -> AsyncIterator[Processes]:
    """So many processes, each with its services opened on the database of the settings.

    They end with the block, at once where it is left by an exception. Raises ProcessLost where one
    could not start.
    """
    # A forked process would share the driver's sockets and locks.
    context = multiprocessing.get_context("spawn")
    children: list[Child] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, opener, settings), daemon=True)
            process.start()
            theirs.close()  # so that its end is the end of the pipe
            children.append((process, ours))
        await asyncio.gather(*(asyncio.to_thread(_receive, ours) for _, ours in children))
        yield Processes(children)
        for _, ours in children:
            ours.send(None)
        for process, _ in children:
            await asyncio.to_thread(process.join, PATIENCE)
    finally:
        for process, _ in children:
            process.kill()
        for process, ours in children:
            process.join()
            ours.close()


async def load(files: Sequence[File], processes: Processes, advance: Advance) -> Report:
    """Load the files; those of one turn are done before the next begins.

    NDJSON is spread over the processes in lots, any other file goes to one of them as a whole, the
    largest first. Raises ProcessLost.
    """
    report = Report(len(files))
    began = perf_counter()
    reading = asyncio.Semaphore(OPEN_FILES)
    for turn in turns(files):
        async with asyncio.TaskGroup() as group:
            for file in sorted(turn, key=lambda file: -file.size):
                if file.kind == ".ndjson":
                    group.create_task(_lines(file, processes, reading, report, advance))
                else:
                    group.create_task(_whole(file, processes, report, advance))
    report.seconds = perf_counter() - began
    order = {file.name: number for number, file in enumerate(files)}
    report.failures.sort(key=lambda failure: order[failure.file])
    return report


async def _whole(file: File, processes: Processes, report: Report, advance: Advance) -> None:
    done = await processes.do(file)
    report.add(done)
    advance(file.size, done.entries)


async def _lines(
    file: File,
    processes: Processes,
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
        gate = asyncio.Semaphore(processes.size + 1)

        async def submit(lot: Lot) -> None:
            nonlocal told
            try:
                done = await processes.do(lot)
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


def _exchange(connection: Connection, item: Work) -> object:
    try:
        connection.send(item)
    except OSError as fault:
        raise ProcessLost from fault
    return _receive(connection)


def _receive(connection: Connection) -> object:
    try:
        return connection.recv()
    except (EOFError, OSError) as fault:
        raise ProcessLost from fault
