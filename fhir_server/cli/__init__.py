"""The command line: `fhir-server COMMAND`. docs/cli.md has every command."""

from __future__ import annotations

from typing import Annotated

import typer

from fhir_server import __version__
from fhir_server.cli.clients import clients
from fhir_server.cli.console import out, told
from fhir_server.cli.demo import demo
from fhir_server.cli.doctor import doctor
from fhir_server.cli.ending import end_on_sigterm
from fhir_server.cli.fhirpath import fhirpath
from fhir_server.cli.load import load
from fhir_server.cli.migrate import migrate
from fhir_server.cli.package import package
from fhir_server.cli.reindex import reindex
from fhir_server.cli.serve import serve
from fhir_server.cli.terminology import terminology
from fhir_server.cli.users import users
from fhir_server.cli.validate import validate

app = typer.Typer(
    name="fhir-server",
    help="A FHIR R4 server on MongoDB that keeps people's health records under their own control.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, demo, load, migrate, reindex, doctor, fhirpath, validate):
    app.command()(command)
app.add_typer(package, name="package")
app.add_typer(terminology, name="terminology")
app.add_typer(users, name="users")
app.add_typer(clients, name="clients")


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a fault that the caller can mend is one red line and status 1."""
    end_on_sigterm()
    with told():
        app()
