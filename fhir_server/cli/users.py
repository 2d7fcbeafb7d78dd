"""`fhir-server users`: the accounts of people, and the codes on paper that they sign in with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fhir_server.access.grant import Grant
from fhir_server.cli.console import Failed, configured, out
from fhir_server.cli.database import shared
from fhir_server.fhir.codec import decode
from fhir_server.smart.accounts import Account, Accounts
from fhir_server.smart.people import accounts_of, sessions_of
from fhir_server.smart.upstream import identity
from fhir_server.store.connect import open_store
from fhir_server.store.resources import Store
from fhir_server.store.tokens import Tokens

users = typer.Typer(
    help="Make, list and end the accounts of people; hand out codes on paper.",
    no_args_is_help=True,
)

Data = Annotated[Path | None, typer.Option(help="Folder of the embedded database [data].")]
Name = Annotated[str, typer.Argument(help="The name that the person signs in with.")]


@users.command()
def add(
    name: Name,
    fhir_user: Annotated[
        str | None,
        typer.Option(
            "--as", help="Who this is: Patient/ID, RelatedPerson/ID, Practitioner(Role)/ID."
        ),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="An administrator, without any health data.")
    ] = False,
    represents: Annotated[
        list[str] | None,
        typer.Option(help="Patient/ID whose record a RelatedPerson opens [what it refers to]."),
    ] = None,
    title: Annotated[str, typer.Option(help="What pages call the person.")] = "",
    identities: Annotated[
        list[str] | None,
        typer.Option("--identity", help="Link to another provider: 'ISSUER VALUE'."),
    ] = None,
    data: Data = None,
) -> None:
    """Make an account and print the code with which the person signs in first."""
    if admin == (fhir_user is not None):
        raise Failed("Say who this is with --as Patient/ID (or another type), or use --admin")

    async def work(accounts: Accounts, store: Store) -> None:
        patients = [one.removeprefix("Patient/") for one in represents or ()]
        if fhir_user and fhir_user.startswith("RelatedPerson/") and not patients:
            patients = await _represented(fhir_user, store)
        linked = [_identity(text) for text in identities or ()]
        account, code = await accounts.add(name, title, fhir_user, patients, upstream=linked)
        _print_code(account, code)

    _run(data, work)


@users.command("list")
def list_(data: Data = None) -> None:
    """List the accounts: who they are and what they sign in with, no secrets."""

    async def work(accounts: Accounts, _: Store) -> None:
        table = Table("Name", "Is", "Opens", "Signs in with", box=None)
        for account in await accounts.all():
            opens = "every record" if account.kind == "practitioner" else None
            table.add_row(
                account.name,
                account.fhir_user or "administrator",
                opens or ", ".join(f"Patient/{id_}" for id_ in account.patients) or "nothing",
                "disabled" if account.disabled else ", ".join(_means(account)),
            )
        out.print(table)

    _run(data, work)


@users.command()
def reset(name: Name, data: Data = None) -> None:
    """Make everything that the person signs in with void, and print a new code on paper."""

    async def work(accounts: Accounts, store: Store) -> None:
        account = await _named(accounts, name)
        code = await accounts.reset(account.id)
        await _end(account, store)
        _print_code(account, code)

    _run(data, work)


@users.command()
def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let the person sign in again.")] = False,
    data: Data = None,
) -> None:
    """Let a person sign in no more; sessions and what apps were allowed end at once."""

    async def work(accounts: Accounts, store: Store) -> None:
        account = await _named(accounts, name)
        await accounts.disable(account.id, disabled=not undo)
        if not undo:
            await _end(account, store)
        out.print(f"{account.name} may sign in again." if undo else f"{account.name} is disabled.")

    _run(data, work)


@users.command()
def remove(name: Name, data: Data = None) -> None:
    """Forget an account; sessions and what apps were allowed end at once. Records stay."""

    async def work(accounts: Accounts, store: Store) -> None:
        account = await _named(accounts, name)
        await accounts.remove(account.id)
        await _end(account, store)
        out.print(f"{account.name} is removed.")

    _run(data, work)


@users.command()
def link(
    name: Name,
    identities: Annotated[list[str], typer.Argument(help="'ISSUER VALUE' of each identity.")],
    data: Data = None,
) -> None:
    """Link an account to identities of other providers, in place of those it was linked to."""

    async def work(accounts: Accounts, _: Store) -> None:
        account = await _named(accounts, name)
        if not await accounts.link(account.id, [_identity(text) for text in identities]):
            raise Failed("Another account is linked to one of these identities")
        out.print(f"{account.name} is linked.")

    _run(data, work)


def _run(data: Path | None, work: Callable[[Accounts, Store], Awaitable[None]]) -> None:
    async def within(uri: str, name: str) -> None:
        async with open_store(uri, name) as store:
            await work(accounts_of(store.database), store)

    with shared(configured(data=data)) as settings:
        asyncio.run(within(settings.mongodb_uri, settings.mongodb_database))


async def _named(accounts: Accounts, name: str) -> Account:
    account = await accounts.named(name)
    if account is None:
        raise Failed(f"Nobody signs in as {name}; `fhir-server users list` shows who does")
    return account


async def _end(account: Account, store: Store) -> None:
    await sessions_of(store.database).end_all(account.id)
    await Tokens(store.database).revoke_subject(account.id, time.time())


async def _represented(fhir_user: str, store: Store) -> list[str]:
    type_, _, id_ = fhir_user.partition("/")
    grant = Grant.system("users add: whom does the RelatedPerson represent?")
    found = await store.current(type_, id_, grant)
    if found is None or found.deleted:
        raise Failed(f"{fhir_user} does not exist; load it first, or name --represents Patient/ID")
    resource = decode(found.raw, max_bytes=len(found.raw) + 1, max_depth=1000)
    return [resource["patient"]["reference"].removeprefix("Patient/")]


def _identity(text: str) -> str:
    issuer, _, value = text.partition(" ")
    if not value:
        raise Failed("--identity takes 'ISSUER VALUE', such as 'https://idp.example.org 8000123'")
    return identity(issuer, value)


def _means(account: Account) -> list[str]:
    means = {
        "password": account.password is not None,
        "authenticator": account.totp is not None,
        f"{len(account.passkeys)} passkeys": bool(account.passkeys),
        f"{account.codes} codes on paper": account.codes > 0,
    }
    return [name for name, has in means.items() if has]


def _print_code(account: Account, code: str) -> None:
    out.print(f"{account.name} ({account.fhir_user or 'administrator'})")
    out.print(f"Code on paper, good once: {code}")
    out.print("The person opens /sign-in/recover, types name and code, and chooses a password.")
