"""`fhir-server terminology load`: code systems of any size, as people download them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from fhir_server.app import open_services
from fhir_server.cli.console import configured, err, out
from fhir_server.cli.database import shared
from fhir_server.settings import Settings
from fhir_server.store.concepts import Loaded
from fhir_server.terminology.releases import Release
from fhir_server.terminology.releases.kinds import read

terminology = typer.Typer(
    help="Load code systems into the database, and see which ones are there.",
    no_args_is_help=True,
)


@terminology.command()
def load(
    path: Annotated[Path, typer.Argument(help="File or release folder.")],
    system: Annotated[str, typer.Option(help="URL of the code system of a table.")] = "",
    version: Annotated[str, typer.Option(help="Its version [as the release says].")] = "",
    name: Annotated[str, typer.Option(help="Its name [that of the file].")] = "",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
) -> None:
    """Load a code system: FHIR JSON, CSV, a LOINC or a SNOMED CT release folder.

    It is not seen before it is whole; then it takes the place of the same version of it.
    """
    release = read(path, system, version, name)
    with shared(configured(data=data)) as settings:
        loaded = uvloop.run(_load(settings, release))
    out.print(f"Loaded {loaded.count:,} concepts of {loaded.head.canonical}", markup=False)


@terminology.command("list")
def list_(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
) -> None:
    """List the code systems that were loaded, with their versions and sizes."""
    with shared(configured(data=data)) as settings:
        for one in uvloop.run(_list(settings)):
            out.print(f"{one.count:>9,}  {one.head.canonical}", markup=False)


async def _load(settings: Settings, release: Release) -> Loaded:
    columns = (
        TextColumn("Loading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    async with open_services(settings) as services:
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=release.total or None)

            def shown(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total or None)

            return await services.terminology.concepts.load(release, shown)


async def _list(settings: Settings) -> list[Loaded]:
    async with open_services(settings) as services:
        found = await services.terminology.concepts.systems()
    return sorted(found, key=lambda one: one.head.canonical)
