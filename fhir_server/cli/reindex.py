"""`fhir-server reindex`: the search keys of all stored resources, written anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from fhir_server.app import open_services
from fhir_server.cli.console import Failed, configured, err, out
from fhir_server.cli.database import shared
from fhir_server.fhir.codec import decode
from fhir_server.search.keys import Keys
from fhir_server.settings import Settings
from fhir_server.store.jobs import OPEN_STATES, Job, Jobs
from fhir_server.store.reindex import request, work

PAUSE = 1.0
"""Seconds between looks at a job that another process has."""


def reindex(
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only this resource type; may be repeated.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
) -> None:
    """Write the search keys of all stored resources anew, beside a server that runs.

    It may be interrupted: the next run goes on where it stopped.
    """
    with shared(configured(data=data)) as settings:
        job = uvloop.run(_reindex(settings, sorted(set(type_ or ()))))
    if job.state != "done":
        raise Failed(f"The reindex is {job.state}. {job.error}")
    out.print(f"Keys of {job.done:,} resources are written anew.")


async def _reindex(settings: Settings, types: list[str]) -> Job:
    async with open_services(settings) as services:
        if unknown := set(types) - set(services.definitions.resource_types):
            raise Failed(f"{', '.join(sorted(unknown))} is no resource type of FHIR R4")

        def index(raw: bytes) -> Keys:
            return services.indexer(decode(raw, max_bytes=len(raw)))

        jobs = Jobs(services.store.database)
        job = await request(jobs, types)
        columns = (
            TextColumn("Reindexing"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=None)

            def shown(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            while job.state in OPEN_STATES:
                if await work(services.store, jobs, index, shown) is None:
                    # Another process is at it, or was until a moment ago.
                    shown(job.done, job.total)
                    await asyncio.sleep(PAUSE)
                job = await jobs.get(job.id) or job
        return job
