"""Loading many files side by side: what failed is gathered, and the rest goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from time import perf_counter

import httpx

from fhir_server.loading.answers import reasons, refusals
from fhir_server.loading.files import File
from fhir_server.loading.report import Failure, Report
from fhir_server.loading.submissions import Send, Submission, Unloadable, submissions

IN_FLIGHT = 32
"""Requests of one NDJSON file under way at once, so that the store can gather them."""

Advance = Callable[[int, int], None]
"""Told how many bytes of files, and how many entries, have just been done."""


async def load(files: Sequence[File], send: Send, jobs: int, advance: Advance) -> Report:
    """Load the files, `jobs` at a time; those of one turn are done before the next begins."""
    report = Report(len(files))
    began = perf_counter()
    gate = asyncio.Semaphore(jobs)
    for _, turn in groupby(files, key=lambda file: file.rank):
        async with asyncio.TaskGroup() as group:
            for file in turn:
                group.create_task(_file(file, send, gate, report, advance))
    report.seconds = perf_counter() - began
    return report


async def _file(
    file: File, send: Send, gate: asyncio.Semaphore, report: Report, advance: Advance
) -> None:
    async with gate:
        size = file.size
        told = 0
        with file.open() as content:

            def items() -> Iterator[Submission | Unloadable]:
                nonlocal told
                for item, read in content.measured(submissions(file.kind, content)):
                    yield item
                    told += read
                    advance(read, 0)

            await load_lines(file.name, items(), send, report, advance)
        advance(size - told, 0)


async def load_lines(
    file: str,
    items: Iterable[Submission | Unloadable],
    send: Send,
    report: Report,
    advance: Advance,
    in_flight: int = IN_FLIGHT,
) -> None:
    """Send what the file comes to, `in_flight` requests at once; `report` counts them."""
    gate = asyncio.Semaphore(in_flight)

    async def submit(item: Submission) -> None:
        try:
            await _submit(file, item, send, report, advance)
        finally:
            gate.release()

    async with asyncio.TaskGroup() as group:
        for item in items:
            if isinstance(item, Unloadable):
                report.fail(Failure(file, item.place, 0, (str(item),)))
            else:
                await gate.acquire()
                group.create_task(submit(item))


async def _submit(
    file: str, item: Submission, send: Send, report: Report, advance: Advance
) -> None:
    try:
        reply = await send(item)
    except httpx.HTTPError as fault:
        text = f"The server did not answer: {fault or type(fault).__name__}"
        report.fail(Failure(file, item.place, 0, (text,)))
        return
    if reply.status >= 400:
        report.fail(Failure(file, item.place, reply.status, reasons(reply.body)))
        return
    done = item.entries
    if not item.path:
        for refusal in refusals(reply.body):
            report.fail(Failure(file, *refusal))
            done -= 1
    report.entries += done
    advance(0, done)
