"""A closed server with two records, which attackers want more of than is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attack.records import RESOURCES
from tests.callers import Served, served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mongodb: str, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """The server; each module of attacks has its own."""
    name = "test_attack_" + request.module.__name__.rpartition("_")[2]
    async with served(mongodb, name, conditional_delete="multiple") as running:
        for resource in RESOURCES:
            await running.put(resource)
        yield running
