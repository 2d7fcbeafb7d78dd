"""`fhir-server migrate`: bring the database to the state that this program needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli.console import configured, note, out
from fhir_server.cli.database import shared
from fhir_server.store import migrations


def migrate(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
) -> None:
    """Apply the migrations that the database has not had, each once, one process at a time."""
    with shared(configured(data=data), migrated=False) as settings:
        done = migrations.migrate(settings.mongodb_uri, settings.mongodb_database, note)
    for name in done:
        out.print(f"Applied {name}", markup=False)
    if not done:
        out.print("Nothing to apply: the database is up to date.")
