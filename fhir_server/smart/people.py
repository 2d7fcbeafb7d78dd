"""What the pages for people stand on, put together on one store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.settings import Settings
from fhir_server.smart.accounts import Accounts
from fhir_server.smart.authorize import Authorizer
from fhir_server.smart.clients import Clients
from fhir_server.smart.passkeys import Passkeys
from fhir_server.smart.server import AuthorizationServer
from fhir_server.smart.sessions import Sessions
from fhir_server.smart.throttling import Throttle
from fhir_server.smart.upstream import Providers
from fhir_server.store import accounts as stored_accounts
from fhir_server.store.database import Database
from fhir_server.store.sign_ins import SignIns
from fhir_server.store.tokens import Tokens

TITLE = "FHIR health record"


@dataclass(frozen=True, slots=True)
class People:
    """Accounts, sessions and what signs in; `device_key` signs the cookies of known browsers."""

    settings: Settings
    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    passkeys: Passkeys
    providers: Providers
    authorizer: Authorizer
    clients: Clients
    tokens: Tokens
    device_key: bytes
    now: Callable[[], float]

    async def end_session(self, id_: str) -> None:
        """End a session, by its id, and the approvals that hold while it lasts."""
        await self.sessions.end(id_)
        await self.tokens.end_session(id_, self.now())

    async def end_other_sessions(self, account: str, but: str = "") -> None:
        """The same for every session of an account but one."""
        for id_ in await self.sessions.end_all(account, but):
            await self.tokens.end_session(id_, self.now())


def accounts_of(database: Database, now: Callable[[], float] = time.time) -> Accounts:
    """The accounts of a database."""
    return Accounts(stored_accounts.Accounts(database), now)


def sessions_of(database: Database, now: Callable[[], float] = time.time) -> Sessions:
    """The sign-in sessions of a database."""
    return Sessions(SignIns(database), now)


def people_of(
    settings: Settings, database: Database, server: AuthorizationServer, device_key: bytes
) -> People:
    """All of it, beside the authorization server."""
    now = server.now
    kept = SignIns(database)
    return People(
        settings,
        accounts_of(database, now),
        sessions_of(database, now),
        Throttle(kept, now),
        Passkeys(settings.root, TITLE, kept, now),
        Providers(settings.identity_providers, settings.root, kept, now),
        server.authorizer,
        server.clients,
        server.tokens,
        device_key,
        now,
    )
