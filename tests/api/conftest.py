"""A whole server in process, on the real database, for the tests that knock at its door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import Server, create_app
from fhir_server.settings import Settings
from tests.api.smart import clients_file

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


@pytest.fixture
def smart_settings(mongodb: str, database_name: str, tmp_path: Path) -> dict[str, Any]:
    """Settings under which a made-up person approves everything; override to change them."""
    return {
        "mongodb_uri": mongodb,
        "mongodb_database": database_name,
        "clients_file": clients_file(tmp_path),
        "test_sign_in": "approve",
        "test_user": "Practitioner/1",
        "test_patient": "p1",
    }


@pytest.fixture
async def http(smart_settings: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that asks for tokens; it follows no redirect."""
    app = create_app(Settings(**smart_settings))
    async with app.opened():
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=BASE + "/") as caller:
            yield caller
