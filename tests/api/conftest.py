"""A whole server in process, on the real database, for the tests that knock at its door."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from fhir_server.app import Server, create_app
from fhir_server.settings import Settings

BASE = "http://127.0.0.1:8080/fhir"


@pytest.fixture
def settings(mongodb: str, database_name: str) -> Settings:
    """An open server's settings on a database of its own; override for other ones."""
    return Settings(mongodb_uri=mongodb, mongodb_database=database_name, access="open")


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """The running server."""
    app = create_app(settings)
    async with app.opened():
        yield app


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose relative URLs lie below the FHIR base (`Patient/1`)."""
    transport = httpx.ASGITransport(server, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url=BASE + "/") as caller:
        yield caller
