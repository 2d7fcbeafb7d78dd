"""`fhir-server load`: files of FHIR resources into this server's store, or into any server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import httpx
import typer
import uvloop
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fhir_server.app import open_services
from fhir_server.cli.console import Failed, configured, err, out
from fhir_server.cli.database import require_fit, shared
from fhir_server.loading import processes as several
from fhir_server.loading import spread
from fhir_server.loading.files import File, UnknownFile, find
from fhir_server.loading.report import Report
from fhir_server.loading.run import Advance
from fhir_server.loading.run import load as load_files
from fhir_server.loading.targets import remote
from fhir_server.loading.worker import Alone
from fhir_server.settings import Settings

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
    reported at the end and the rest goes on; the exit status is then 1.
    """
    with tempfile.TemporaryDirectory(prefix="fhir-load-") as scratch:
        try:
            files = find(paths, Path(scratch))
        except UnknownFile as error:
            raise Failed(str(error)) from None
        if not files:
            raise Failed("There is nothing to load under these paths")
        if url:
            report = _into_server(url.rstrip("/"), files, jobs)
        else:
            with shared(configured(data=data)) as settings:
                count = processes or several.fitting(files)
                if count == 1:
                    report = uvloop.run(into_store(settings, files, jobs))
                else:
                    report = _by_several(settings, files, count)
    tell(report)
    if report.failures:
        raise SystemExit(1)


async def into_store(settings: Settings, files: list[File], jobs: int) -> Report:
    """Load the files straight into the store of a database that runs, with progress shown."""
    async with open_services(settings) as services:
        alone = Alone(services, jobs)
        return await _shown(files, lambda advance: spread.load(files, alone, advance))


def _by_several(settings: Settings, files: list[File], count: int) -> Report:
    async def load_by_several() -> Report:
        async with several.started(count, open_services, settings) as processes:
            return await _shown(files, lambda advance: spread.load(files, processes, advance))

    require_fit(settings)  # said once here, and not by every process
    try:
        return asyncio.run(load_by_several())
    except several.ProcessLost:
        lost = True
    except ExceptionGroup as group:
        lost = group.subgroup(several.ProcessLost) is not None
        if not lost:
            raise
    raise Failed("A process that loaded ended early; what was loaded until then stays")


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


def tell(report: Report) -> None:
    """Print what was loaded and, on standard error, each failure with its reasons."""
    out.print(
        f"Loaded {report.entries:,} entries of {report.files:,} files "
        f"in {report.seconds:.1f} s ({report.rate:,.0f}/s)",
    )
    for failure in report.failures:
        where = f"{failure.file} {failure.place}".strip()
        status = f" answered {failure.status}" if failure.status else ""
        err.print(f"{where}{status}", style="red", markup=False)
        for reason in failure.reasons:
            err.print(f"    {reason}", markup=False)
    for file, count in report.untold.items():
        err.print(f"{file}: {count:,} more that are only counted", style="red", markup=False)
    if report.failed:
        err.print(f"{report.failed:,} failed; what is above was not loaded.", style="red")
