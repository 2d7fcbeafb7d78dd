"""The real MongoDB that tests run on: one embedded mongod for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fhir_server.store import embedded


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
