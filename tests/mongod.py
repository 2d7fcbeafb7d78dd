"""The real MongoDB that tests run on: one embedded mongod for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo import MongoClient

from fhir_server.store import embedded, migrations


@contextmanager
def mongod() -> Iterator[str]:
    """The address of a fresh database server, which is ended and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fhir-tests-"))
    try:
        # Files of dropped databases stay open for as long as their past can be read: a test's own
        # pages need seconds of it, five minutes of tests would be more files than there may be.
        server = embedded.start(folder, cache_gb=1.0, history_window=20)
        try:
            yield server.uri
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(uri: str, name: str) -> Iterator[str]:
    """A migrated database of this name, which is dropped afterwards."""
    migrations.migrate(uri, name)
    try:
        yield name
    finally:
        with MongoClient[dict[str, object]](uri) as client:
            client.drop_database(name)
