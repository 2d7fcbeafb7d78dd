"""Loading by several processes, each with its own way into the store."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from fhir_server.loading.files import File
from fhir_server.loading.report import Report
from fhir_server.loading.worker import Opener, Work, work
from fhir_server.settings import Settings

MOST = 4
"""Processes at most unless asked for more: the database wants some of the cores too."""

WORTHWHILE = 64 * 1024
"""Bytes of files (packed, where they are packed) that another process is started for."""

PATIENCE = 10.0
"""Seconds that a process has to close what it opened."""

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


class Processes:
    """Processes at work; each does one file or lot at a time."""

    def __init__(self, children: Sequence[Child], longest: int) -> None:
        self.size = len(children)
        self.longest = longest
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
        yield Processes(children, settings.max_body_bytes)
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
