"""A database that goes away is 503, never 500, and the store goes on when it is back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fhir_server.app import open_services
from fhir_server.errors import Unavailable
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from fhir_server.store.connect import open_store
from fhir_server.store.resources import HistoryQuery, PageQuery, Session
from tests.stored import OPEN, version


async def test_it_is_unavailable_and_then_back(data: Path) -> None:
    first = embedded.start(data, cache_gb=0.25)
    await asyncio.to_thread(migrations.migrate, first.uri, "fhir")
    async with open_store(first.uri + "&serverSelectionTimeoutMS=300", "fhir") as store:
        await store.insert([version("a")], OPEN)
        old = await store.current("Observation", "a", OPEN)
        assert old is not None
        os.kill(first.pid, signal.SIGKILL)
        first.stop()

        async def within(session: Session) -> None:
            await store.insert([version("c")], OPEN, session)

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.read("Observation", "a", OPEN),
            lambda: store.vread("Observation", "a", 1, OPEN),
            lambda: store.insert([version("b")], OPEN),
            lambda: store.replace(version("a", 2), old, OPEN),
            lambda: store.page(PageQuery("Observation", {}), OPEN),
            lambda: store.count("Observation", {}, OPEN),
            lambda: store.history(HistoryQuery("Observation", "a"), OPEN),
            lambda: store.transaction(within),
        ]
        for call in calls:
            with pytest.raises(Unavailable):
                await call()
        assert not await store.ping()
        second = embedded.start(data, cache_gb=0.25)
        try:
            assert second.uri == first.uri
            assert (await store.read("Observation", "a", OPEN)).version == 1
            await store.replace(version("a", 2), old, OPEN)
            await store.transaction(within)
            assert await store.ping()
        finally:
            second.stop()


@pytest.mark.usefixtures("cut_off")
async def test_a_server_ends_although_it_is_away(data: Path) -> None:
    database = embedded.start(data, cache_gb=0.25)
    await asyncio.to_thread(migrations.migrate, database.uri, "fhir")
    settings = Settings(mongodb_uri=database.uri, mongodb_database="fhir")
    async with asyncio.timeout(90):
        async with open_services(settings) as services:
            await asyncio.sleep(1)
            os.kill(database.pid, signal.SIGKILL)
            database.stop()
            assert not await services.store.ping()
