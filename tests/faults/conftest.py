"""What the fault tests share."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.store import embedded


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose database is ended afterwards, also when its server was killed."""
    yield tmp_path
    if embedded.running(tmp_path):
        embedded.start(tmp_path).stop()


@pytest.fixture
def cut_off() -> Iterator[None]:
    """Sockets that the driver leaves open where it is cut off while it connects are no fault."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        yield
        gc.collect()
