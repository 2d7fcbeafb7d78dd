"""The composition root: settings in, a server out. Nothing else builds the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from fhir_server import __version__
from fhir_server.access.compile import compile_grant, understood
from fhir_server.fhir import definitions as r4
from fhir_server.http import log
from fhir_server.http.auth import Authentication
from fhir_server.http.fhir import FhirEndpoint
from fhir_server.http.metrics import Metrics
from fhir_server.http.pages import add_pages
from fhir_server.http.smart import add_smart
from fhir_server.interactions.packages import definitions_followed
from fhir_server.interactions.search_parameters import Follower
from fhir_server.loading.conformance import bringing
from fhir_server.search.index import Indexer
from fhir_server.search.live import Live
from fhir_server.search.registry import Registry
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.smart.dpop import Proofs
from fhir_server.smart.endpoints import SMART_CONFIGURATION
from fhir_server.smart.people import people_of, sessions_of
from fhir_server.smart.server import AuthorizationServer
from fhir_server.smart.trusted import TrustedIssuers
from fhir_server.store.connect import open_store
from fhir_server.store.terminology import Terminology
from fhir_server.terminology.external import ExternalServer
from fhir_server.validation import Validator
from fhir_server.web.routes import add_people


@asynccontextmanager
async def open_services(settings: Settings, *, indexing: bool = False) -> AsyncIterator[Services]:
    """The server's parts on a live database; closed again at the end.

    With `indexing` this process also does the work of search parameters that are added.

    Raises the store's errors where the database cannot be reached, is not migrated or is newer
    than this program.
    """
    definitions = r4.load()
    registry = Registry(definitions)
    indexer = Indexer(definitions, registry, settings.base)
    async with (
        external_server(settings) as external,
        open_store(
            settings.mongodb_uri,
            settings.mongodb_database,
            max_blob_bytes=settings.max_blob_bytes,
        ) as store,
    ):
        services = Services(
            settings,
            definitions,
            Live(registry, indexer, registry),
            Validator(
                definitions,
                unknown_profile=settings.unknown_profile,
                demanded=settings.profiles,
            ),
            store,
            Terminology(store, external.code_system) if external else Terminology(store),
            await store.secret("cursor"),
        )
        async with (
            definitions_followed(services),
            Follower(services, indexing=indexing).following(),
        ):
            yield services


@asynccontextmanager
async def external_server(settings: Settings) -> AsyncIterator[ExternalServer | None]:
    """The terminology server that the settings name; None where they name none."""
    if not settings.terminology_url or not settings.terminology_systems:
        yield None
        return
    server = ExternalServer(settings.terminology_url, settings.terminology_systems)
    try:
        yield server
    finally:
        await server.close()


class Server:
    """The ASGI application: what is below the base path goes straight to the FHIR endpoint."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._fhir: FhirEndpoint | None = None
        self._base = settings.base_path
        self._below = settings.base_path + "/"
        self._pages = FastAPI(
            title="FHIR health record server",
            version=__version__,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            lifespan=lambda _: self.opened(),
        )
        self._configuration = settings.base_path + SMART_CONFIGURATION
        add_smart(self._pages, settings)
        add_people(self._pages)
        add_pages(self._pages, settings, self.metrics)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The server at work: its parts are opened, and closed again at the end."""
        log.configure()
        async with open_services(self.settings, indexing=True) as services:
            self._pages.state.services = services
            store = services.store
            sessions = sessions_of(store.database)
            smart = AuthorizationServer(
                self.settings,
                store,
                lasts=sessions.lasts,
                understood=lambda asked: understood(asked, services.registry, self.settings.base),
            )
            await smart.open()
            self._pages.state.smart = smart
            self._pages.state.people = people_of(
                self.settings, store.database, smart, await store.secret("device")
            )
            self._fhir = FhirEndpoint(services, self.metrics, authentication(services, smart))
            if self.settings.base_definitions:
                async with bringing(services):
                    yield
            else:
                yield
            self._fhir = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one ASGI connection."""
        if scope["type"] == "http" and self._fhir is not None:
            path: str = scope["path"]
            below = path.startswith(self._below) or path == self._base
            if below and path != self._configuration:
                return self._fhir(scope, receive, send)
        return self._pages(scope, receive, send)


def authentication(services: Services, smart: AuthorizationServer) -> Authentication:
    """Who knows callers by their tokens: our own and those of issuers that the settings name."""
    settings, now = services.settings, smart.now
    skew = settings.clock_skew_seconds
    return Authentication(
        settings,
        smart.maker,
        TrustedIssuers(settings.trusted_issuers, settings.base, now, skew),
        Proofs(smart.requests, now, skew),
        smart.tokens.is_revoked,
        lambda principal: compile_grant(principal, services.registry, settings.base),
        now,
    )


def create_app(settings: Settings) -> Server:
    """The server as an ASGI application; its parts are opened by the lifespan protocol."""
    return Server(settings)
