"""Fixtures that every suite shares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.mongod import mongod

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mongodb_uri() -> Iterator[str]:
    """The address of a real MongoDB, one for the whole session."""
    with mongod() as uri:
        yield uri


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of a database of this test's own, empty at first and dropped afterwards."""
    name = f"test_{next(_numbers)}"
    yield name
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(name)
