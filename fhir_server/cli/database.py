"""The database that a command works on: the one of the settings, or the embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fhir_server.cli.console import note
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from fhir_server.store.connect import open_store


@contextmanager
def owned(settings: Settings, *, migrated: bool = True) -> Iterator[Settings]:
    """Settings that lead to a running database.

    An embedded one is started, brought up to date if `migrated`, and stopped in the end. Raises
    Unavailable where another server holds the data folder.
    """
    if settings.mongodb_uri:
        yield settings
        return
    server = embedded.start(settings.data, history_window=settings.history_window)
    try:
        reached = settings.model_copy(update={"mongodb_uri": server.uri})
        if migrated:
            migrations.migrate(reached.mongodb_uri, reached.mongodb_database, note)
        yield reached
    finally:
        server.stop()


def require_fit(settings: Settings) -> None:
    """Raise Unavailable, saying what to do, unless the database can be served from."""

    async def look() -> None:
        async with open_store(settings.mongodb_uri, settings.mongodb_database):
            pass

    asyncio.run(look())


@contextmanager
def shared(settings: Settings, *, migrated: bool = True) -> Iterator[Settings]:
    """The same, but beside a server that runs on the data folder its database is used."""
    running = None if settings.mongodb_uri else embedded.running(settings.data)
    if running:
        yield settings.model_copy(update={"mongodb_uri": running})
    else:
        with owned(settings, migrated=migrated) as reached:
            yield reached
