"""The authorization server, put together from its parts on one store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fhir_server.settings import Settings
from fhir_server.smart.announcement import Announcement
from fhir_server.smart.assertion import Assertions
from fhir_server.smart.authorization_request import Understood
from fhir_server.smart.authorize import Authorizer
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.brands import Brands, read_brands
from fhir_server.smart.client_authentication import ClientAuthentication
from fhir_server.smart.client_keys import ClientKeys
from fhir_server.smart.clients import Clients
from fhir_server.smart.clients_file import read_clients
from fhir_server.smart.dpop import Proofs
from fhir_server.smart.endpoints import TOKEN, Endpoints
from fhir_server.smart.failures import Failures
from fhir_server.smart.introspection import Introspection
from fhir_server.smart.keys import SigningKeys
from fhir_server.smart.registration import Registration
from fhir_server.smart.revocation import Revocation
from fhir_server.smart.token_endpoint import SessionCheck, TokenEndpoint
from fhir_server.smart.tokens import TokenMaker
from fhir_server.store import clients as stored_clients
from fhir_server.store.authorizations import Authorizations
from fhir_server.store.keys import Keys
from fhir_server.store.resources import Store
from fhir_server.store.sign_ins import SignIns
from fhir_server.store.tokens import Tokens


class AuthorizationServer:
    """Every part by name. `now` gives seconds since 1970 UTC.

    `lasts` says of a sign-in session whether it still lasts; without it a session's approvals end
    by `Tokens.end_session` and by age alone. `understood` sorts out granular scopes that no search
    can answer; without it they are granted, and reach nothing.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        lasts: SessionCheck | None = None,
        understood: Understood = lambda scopes: scopes,
        now: Callable[[], float] = time.time,
    ) -> None:
        database = store.database
        self.settings = settings
        self.now = now
        self.endpoints = Endpoints.of(settings)
        self.tokens = Tokens(database)
        self.requests = Authorizations(database)
        self.clients = Clients(stored_clients.Clients(database), self.tokens, now)
        self.keys = SigningKeys(Keys(database), now, settings.key_seconds)
        self.maker = TokenMaker(settings, self.keys, now)
        self.bearer = Bearer(self.maker, self.tokens)
        self.client_keys = ClientKeys(now, test_http=settings.test_http)
        authentication = ClientAuthentication(
            self.clients,
            Assertions(
                self.endpoints.at(TOKEN),
                self.client_keys,
                self.requests,
                now,
                settings.clock_skew_seconds,
            ),
        )
        self.authorizer = Authorizer(
            settings, self.clients, self.requests, self.tokens, store, now, understood
        )
        self.proofs = Proofs(self.requests, now, settings.clock_skew_seconds)
        self.token = TokenEndpoint(
            settings, authentication, self.tokens, self.maker, self.proofs, now, understood, lasts
        )
        self.introspection = Introspection(
            self.endpoints, authentication, self.clients, self.bearer, self.tokens, now
        )
        self.revocation = Revocation(authentication, self.maker, self.tokens, now)
        self.registration = Registration(settings, self.clients)
        self.announcement = Announcement(
            settings, authentication, self.clients, self.bearer, self.requests, store, now
        )
        self.failures = Failures(SignIns(database), now)
        self.brands: Brands | None = None

    async def open(self) -> None:
        """Read the files that the settings name and know the signing keys.

        Raises MalformedContent where a file is not in order.
        """
        settings = self.settings
        if settings.brands_file:
            self.brands = read_brands(Path(settings.brands_file))
        if settings.clients_file:
            listed = read_clients(Path(settings.clients_file), test_http=settings.test_http)
            await self.clients.keep_listed(listed)
        await self.keys.open()
