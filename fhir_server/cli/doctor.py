"""`fhir-server doctor`: is this installation in order, and what is to be done if not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from fhir_server.cli.console import configured, err, out
from fhir_server.cli.database import shared
from fhir_server.errors import FhirError
from fhir_server.fhir import definitions as r4
from fhir_server.settings import Settings
from fhir_server.store.examination import Finding, examine

FREE_BYTES = 2 * 1024**3
"""Below this a database may stop taking writes at any moment."""


def doctor(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
) -> None:
    """Check definitions, disk, database and replica set, migrations, indexes and waiting jobs."""
    wrong = 0
    for finding in _findings(configured(data=data)):
        mark, style = ("ok", "green") if finding.sound else ("WRONG", "red")
        out.print(f"[{style}]{mark:5}[/] {finding.subject}: ", end="")
        out.print(finding.detail, markup=False)
        if not finding.sound:
            wrong += 1
            out.print(f"      {finding.advice}", markup=False)
    if wrong:
        err.print("The lines marked WRONG need your attention.", style="red")
        raise SystemExit(1)


def _findings(settings: Settings) -> Iterator[Finding]:
    yield _definitions()
    if not settings.mongodb_uri:
        yield _disk(settings.data)
    try:
        with shared(settings) as reached:
            yield from asyncio.run(_database(reached))
    except FhirError as error:
        yield Finding("database", False, str(error), "docs/cli.md says more on serve and migrate.")


def _definitions() -> Finding:
    began = perf_counter()
    table = r4.load()
    took = (perf_counter() - began) * 1000
    return Finding(
        "definitions",
        True,
        f"FHIR R4, {len(table.resource_types)} resource types, "
        f"{len(table.search_parameters):,} search parameters, read in {took:.0f} ms",
    )


def _disk(data: Path) -> Finding:
    there = next(path for path in (data.absolute(), *data.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1024**3:.1f} GiB free for {data}"
    return Finding("disk", free >= FREE_BYTES, text, "Make room, or choose another --data.")


async def _database(settings: Settings) -> list[Finding]:
    return [f async for f in examine(settings.mongodb_uri, settings.mongodb_database)]
