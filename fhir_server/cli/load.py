"""`fhir-server load`: files of FHIR resources into this server's store, or into any server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
import uvloop
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fhir_server.app import open_services
from fhir_server.cli.console import Failed, configured, err
from fhir_server.cli.database import shared
from fhir_server.cli.load_report import stopped, tell
from fhir_server.loading import processes as several
from fhir_server.loading import spread
from fhir_server.loading import watch as watching
from fhir_server.loading.files import File, UnknownFile, find
from fhir_server.loading.report import Report
from fhir_server.loading.run import Advance
from fhir_server.loading.run import load as load_files
from fhir_server.loading.targets import remote
from fhir_server.loading.watch import Watch
from fhir_server.loading.worker import Alone, errors_alone
from fhir_server.settings import Settings
from fhir_server.store.connect import open_store

Loader = Callable[[Advance], Awaitable[Report]]


def load(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, archives or folders.")
    ],
    url: Annotated[
        str | None,
        typer.Option(help="Base URL of a FHIR server to load into, instead of the own store."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(min=1, max=64, help="Files under way at once, with --url or one process."),
    ] = 4,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Processes that load into the store [as many as cores, at most 4]."
        ),
    ] = None,
) -> None:
    """Load Bundles, single resources and NDJSON (.json .xml .ndjson, also .gz .bz2 .zst .zip .tar).

    Transactions and batches are carried out as they are, collections as one transaction; other
    resources keep their ids. Files of hospitals and practitioners go first. A file that fails is
    reported at the end and the rest goes on; the exit status is then 1. Where the database stays
    away the load stops and says how far it came.
    """
    with tempfile.TemporaryDirectory(prefix="fhir-load-") as scratch:
        try:
            files = find(paths, Path(scratch))
        except UnknownFile as error:
            raise Failed(str(error)) from None
        if not files:
            raise Failed("There is nothing to load under these paths")
        settings = configured(data=data)
        if url:
            report = _into_server(url.rstrip("/"), files, jobs)
        else:
            errors_alone()
            with shared(settings) as reached:
                count = processes or several.fitting(files)
                if count == 1:
                    report = uvloop.run(into_store(reached, files, jobs))
                else:
                    report = _by_several(reached, files, count)
    tell(report)
    if report.stopped:
        raise Failed(stopped(report, settings))
    if report.failed:
        raise SystemExit(1)


async def into_store(settings: Settings, files: list[File], jobs: int) -> Report:
    """Load the files straight into the store of a database that runs, with progress shown."""

    @asynccontextmanager
    async def alone() -> AsyncIterator[Alone]:
        async with open_services(settings) as services:
            yield Alone(services, jobs)

    return await _watched(settings, files, alone())


def _by_several(settings: Settings, files: list[File], count: int) -> Report:
    processes = several.started(count, open_services, settings)
    try:
        return asyncio.run(_watched(settings, files, processes))
    except several.ProcessLost:
        lost = True
    except ExceptionGroup as group:
        lost = group.subgroup(several.ProcessLost) is not None
        if not lost:
            raise
    raise Failed("A process that loaded ended early; what was loaded until then stays")


async def _watched(
    settings: Settings, files: list[File], opening: AbstractAsyncContextManager[spread.Crew]
) -> Report:
    # A way of its own to the database: the crew's may be crowded. Where there is none at all, this
    # says so, and not each of the crew.
    async with open_store(settings.mongodb_uri, settings.mongodb_database) as store:
        watch = Watch(store.ping, watching.PATIENCE)
        try:
            async with opening as crew:
                return await _shown(files, lambda advance: spread.load(files, crew, watch, advance))
        except spread.Stopped as early:
            return early.report


def _into_server(base: str, files: list[File], jobs: int) -> Report:
    async def load_over_http() -> Report:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(600, connect=10), limits=limits
        ) as client:
            send = remote(client, base)
            return await _shown(files, lambda advance: load_files(files, send, jobs, advance))

    return asyncio.run(load_over_http())


async def _shown(files: list[File], loader: Loader) -> Report:
    total = sum(file.size for file in files)
    entries = 0
    columns = (
        TextColumn("Loading"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[entries]:,} entries, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=total, entries=0, rate=0.0)

        def advance(size: int, done: int) -> None:
            nonlocal entries
            entries += done
            elapsed = progress.tasks[0].elapsed or 0.0
            rate = entries / elapsed if elapsed else 0.0
            progress.update(task, advance=size, entries=entries, rate=rate)

        return await loader(advance)
