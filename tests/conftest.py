"""Fixtures that every suite shares."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.store import migrations
from fhir_server.store.connect import open_store
from fhir_server.store.resources import Store
from tests.mongod import mongod as real_mongod

# Thousands of resources that only the tests of them want.
os.environ["FHIR_BASE_DEFINITIONS"] = "false"

# What the databases of a whole run take at their peak, with room to spare. MongoDB ends itself on a
# full disk, and thousands of tests would then fail for another reason each.
DISK_GIB = 6

_numbers = itertools.count(1)


def pytest_sessionstart(session: pytest.Session) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
    if free < DISK_GIB:
        pytest.exit(
            f"{tempfile.gettempdir()} has {free:.1f} GiB free and the tests need {DISK_GIB}: "
            "make room there or name another folder with TMPDIR",
            returncode=3,
        )


@pytest.fixture(scope="session")
def mongodb() -> Iterator[str]:
    """The address of a real MongoDB, one for the whole session."""
    with real_mongod() as uri:
        yield uri


@pytest.fixture
def empty_database(mongodb: str) -> Iterator[str]:
    """The name of a database of this test's own, empty at first and dropped afterwards."""
    name = f"test_{next(_numbers)}"
    yield name
    with MongoClient[dict[str, Any]](mongodb) as client:
        client.drop_database(name)


@pytest.fixture
def database_name(mongodb: str, empty_database: str) -> str:
    """The same, migrated."""
    migrations.migrate(mongodb, empty_database)
    return empty_database


@pytest.fixture
async def store(mongodb: str, database_name: str) -> AsyncIterator[Store]:
    """A store on a database of the test's own."""
    async with open_store(mongodb, database_name) as opened:
        yield opened
