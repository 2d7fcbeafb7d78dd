"""Tasks in the background end, also one that loses a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from fhir_server.store.background import end


async def test_a_task_that_loses_its_cancellation_is_ended_all_the_same():
    begun = asyncio.Event()

    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    task = asyncio.create_task(deaf_once())
    await begun.wait()
    async with asyncio.timeout(60):
        await end(task)
    assert task.cancelled()


async def test_the_error_of_a_task_that_is_over_is_raised():
    async def failing() -> None:
        raise RuntimeError("a defect")

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    with pytest.raises(RuntimeError):
        await end(task)
