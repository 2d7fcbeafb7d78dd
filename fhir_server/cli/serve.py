"""`fhir-server serve`: the server, with its own database unless FHIR_MONGODB_URI names one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli import serving
from fhir_server.cli.console import Failed, configured, out, warn
from fhir_server.cli.database import owned, require_fit
from fhir_server.settings import Settings, is_loopback

OPEN = (
    "OPEN: this server answers anybody on this machine, without asking who it is. "
    "Use it for trying out only, never with real records."
)

TEST_SIGN_IN = (
    "TEST: this server signs in a made-up person and decides without asking anybody "
    "(FHIR_TEST_SIGN_IN). Use it for conformance suites only, never with real records."
)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one [8080].")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database [data].")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes [1].")] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Answer without access control; loopback only.")
    ] = False,
) -> None:
    """Serve the FHIR API at http://HOST:PORT/fhir until Ctrl-C.

    Without FHIR_MONGODB_URI an embedded MongoDB runs under the data folder for as long as the
    server does. Requests under way are finished before the server stops.
    """
    settings = configured(
        host=host, port=port, data=data, workers=workers, access="open" if open_ else None
    )
    refuse_exposure(settings)
    with serving.bound(settings) as (at, listener), owned(at) as reached:
        require_fit(reached)
        if reached.access == "open":
            warn(OPEN)
        if reached.test_sign_in != "off":
            warn(TEST_SIGN_IN)
        serving.run(reached, listener, lambda: announce(reached))


def refuse_exposure(settings: Settings) -> None:
    """Raise Failed where an open server could be reached from another machine."""
    if settings.access == "open" and not is_loopback(settings.host):
        raise Failed(
            f"An open server listens on loopback only, not on {settings.host}. "
            "Leave out --open (and FHIR_ACCESS=open), or use --host 127.0.0.1."
        )


def announce(settings: Settings) -> None:
    """Say where the server answers."""
    out.print(f"FHIR R4 server at {settings.base}", markup=False)
    if settings.access == "closed":
        out.print("It answers 401 to everybody: see docs/settings.md on FHIR_ACCESS.")
