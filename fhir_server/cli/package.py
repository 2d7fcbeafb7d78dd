"""`fhir-server package`: FHIR packages loaded from files, and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fhir_server.app import open_services
from fhir_server.cli.console import Failed, configured, err, out
from fhir_server.cli.database import shared
from fhir_server.interactions.packages import add_package
from fhir_server.settings import Settings
from fhir_server.store.packages import LoadedPackage, Packages
from fhir_server.validation.packages import Package, PackageFault, missing, read_package

package = typer.Typer(
    help="Load FHIR packages into the database, and see which ones are there.",
    no_args_is_help=True,
)

_Data = Annotated[Path | None, typer.Option(help="Folder of the embedded database [data].")]


@package.command()
def add(
    path: Annotated[Path, typer.Argument(help="Package: a .tgz file or a folder.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence that was shown.")
    ] = False,
    data: _Data = None,
) -> None:
    """Load a package: its profiles, extensions, value sets and other definitions take effect.

    Nothing is downloaded. Versions of a package lie side by side.
    """
    try:
        found = read_package(path)
    except PackageFault as error:
        raise Failed(str(error)) from None
    _show(found)
    if not accept_licence:
        raise Failed("Read the licence above, and give --accept-licence if you may use it so")
    with shared(configured(data=data)) as settings:
        loaded, skipped, absent = uvloop.run(_add(settings, found))
    for text in skipped:
        err.print(f"left out: {text}", style="yellow", markup=False)
    for name in absent:
        err.print(
            f"{found.id} needs {name}, which is not loaded: profiles that rest on it "
            "cannot be checked until you add it",
            style="red",
            markup=False,
        )
    out.print(f"Loaded {len(loaded.resources):,} resources of {loaded.id}", markup=False)


@package.command("list")
def list_(data: _Data = None) -> None:
    """List the packages that were loaded, with licences and numbers of resources."""
    with shared(configured(data=data)) as settings:
        for one in uvloop.run(_list(settings)):
            licence = one.licence or "no licence stated"
            line = f"{one.id}  {len(one.resources):,} resources  {licence}"
            out.print(line, markup=False)


def _show(found: Package) -> None:
    out.print(f"{found.id}  {found.title}".rstrip(), markup=False)
    out.print(f"Licence: {found.licence or 'none stated'}", markup=False)
    if found.licence_text:
        out.print(found.licence_text.strip(), markup=False)


async def _add(settings: Settings, found: Package) -> tuple[LoadedPackage, list[str], list[str]]:
    columns = (TextColumn("Loading"), BarColumn(), MofNCompleteColumn())
    async with open_services(settings) as services:
        known = [one.id for one in await Packages(services.store.database).all()]
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=len(found.resources))
            loaded, skipped = await add_package(
                found, services, lambda done: progress.update(task, completed=done)
            )
    return loaded, skipped, missing(found, known)


async def _list(settings: Settings) -> list[LoadedPackage]:
    async with open_services(settings) as services:
        return await Packages(services.store.database).all()
