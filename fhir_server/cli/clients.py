"""`fhir-server clients`: the apps and services that may ask for tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from fhir_server.cli.console import Failed, configured, out
from fhir_server.cli.database import shared
from fhir_server.smart.client_metadata import ASSERTION, BASIC, NONE
from fhir_server.smart.clients import Clients
from fhir_server.smart.clients_file import read_clients
from fhir_server.smart.errors import OAuthError
from fhir_server.store import clients as stored
from fhir_server.store.connect import open_store
from fhir_server.store.tokens import Tokens

clients = typer.Typer(
    help="Register, list and remove the apps and services that may ask for tokens.",
    no_args_is_help=True,
)

Data = Annotated[Path | None, typer.Option(help="Folder of the embedded database [data].")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The client's id.")]


@clients.command()
def add(
    id_: Id,
    name: Annotated[str, typer.Option(help="What pages call the client.")] = "",
    redirect: Annotated[
        list[str] | None, typer.Option(help="Where the browser may be sent back to; exact.")
    ] = None,
    scope: Annotated[str, typer.Option(help="The scopes that it may have at most.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="It cannot keep a secret, such as a browser's page.")
    ] = False,
    backend: Annotated[
        bool, typer.Option("--backend", help="It acts for itself, with system/ scopes.")
    ] = False,
    jwks: Annotated[
        str, typer.Option(help="Its public keys: a file, or the URL where it has them.")
    ] = "",
    launch: Annotated[str, typer.Option(help="The URL that an EHR opens to launch it.")] = "",
    introspection: Annotated[
        bool, typer.Option("--introspection", help="It may ask what tokens of others are good for.")
    ] = False,
    ehr: Annotated[bool, typer.Option("--ehr", help="It may announce launches.")] = False,
    data: Data = None,
) -> None:
    """Register a client; one with a secret has it printed now and never again."""
    metadata = _metadata(name, redirect or [], scope, public, backend, jwks, launch)

    async def work(registered: Clients) -> None:
        client, secret = await registered.register(
            metadata, source="command", client_id=id_, introspection=introspection, ehr=ehr
        )
        out.print(f"Registered {client.id} ({client.kind}).", markup=False)
        _print_secret(secret)

    _run(data, work)


@clients.command("list")
def list_(data: Data = None) -> None:
    """List the clients: what they are and may have, no secrets."""

    async def work(registered: Clients) -> None:
        table = Table("Id", "Kind", "Name", "Scopes", "Rights", "Registered by", box=None)
        for client in await registered.all():
            rights = [n for n, has in (("introspection", client.introspection), ("ehr", client.ehr))
                      if has]  # fmt: skip
            scope = client.scope or ("none" if client.kind == "backend" else "any")
            table.add_row(
                client.id, client.kind, client.name, scope, ", ".join(rights), client.source
            )
        out.print(table)

    _run(data, work)


@clients.command("file")
def from_file(
    path: Annotated[Path, typer.Argument(help="A JSON file as FHIR_CLIENTS_FILE takes it.")],
    data: Data = None,
) -> None:
    """Register the clients of a file, in place of those that came from a file before."""
    listed = read_clients(path)

    async def work(registered: Clients) -> None:
        gone = await registered.keep_listed(listed)
        out.print(f"{len(listed)} clients are registered from {path}.", markup=False)
        for id_ in gone:
            out.print(f"{id_} is removed.", markup=False)

    _run(data, work)


@clients.command()
def secret(id_: Id, data: Data = None) -> None:
    """Make another secret for a client and print it; the old one is good no more."""

    async def work(registered: Clients) -> None:
        made = await registered.new_secret(id_)
        if made is None:
            raise Failed(f"There is no client {id_} with a secret")
        _print_secret(made)

    _run(data, work)


@clients.command()
def remove(id_: Id, data: Data = None) -> None:
    """Forget a client; all tokens that it has end at once."""

    async def work(registered: Clients) -> None:
        if not await registered.remove(id_):
            raise Failed(f"There is no client {id_}")
        out.print(f"{id_} is removed.", markup=False)

    _run(data, work)


def _metadata(
    name: str,
    redirects: list[str],
    scope: str,
    public: bool,
    backend: bool,
    jwks: str,
    launch: str,
) -> dict[str, Any]:
    """The options in the words of RFC 7591."""
    if public and (backend or jwks):
        raise Failed("A public client has no keys: leave out --public, or --backend and --jwks")
    metadata: dict[str, Any] = {
        "token_endpoint_auth_method": NONE if public else ASSERTION if jwks else BASIC,
        "redirect_uris": redirects,
    }
    if backend:
        metadata["grant_types"] = ["client_credentials"]
    if name:
        metadata["client_name"] = name
    if scope:
        metadata["scope"] = scope
    if launch:
        metadata["launch_uri"] = launch
    if jwks.startswith(("http://", "https://")):
        metadata["jwks_uri"] = jwks
    elif jwks:
        metadata["jwks"] = _keys(Path(jwks))
    return metadata


def _keys(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Failed(f"{path}: {error}") from None


def _print_secret(made: str | None) -> None:
    if made is not None:
        out.print(f"Its secret, shown this once: {made}", markup=False)


def _run(data: Path | None, work: Callable[[Clients], Awaitable[None]]) -> None:
    async def run(uri: str, name: str) -> None:
        async with open_store(uri, name) as store:
            kept = stored.Clients(store.database)
            await work(Clients(kept, Tokens(store.database), time.time))

    with shared(configured(data=data)) as settings:
        try:
            asyncio.run(run(settings.mongodb_uri, settings.mongodb_database))
        except OAuthError as error:
            raise Failed(error.description) from None
