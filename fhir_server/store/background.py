"""Tasks that go on beside the others, and how they are ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

AGAIN = 0.7
"""Seconds until a task that goes on is cancelled again; no multiple of the driver's own pauses."""


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over. Raises what it raised itself.

    While the driver looks for a server a cancellation can be lost: `asyncio.wait_for`, before
    Python 3.12, drops one that comes when its time is up. Then the task is cancelled again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)
    with suppress(asyncio.CancelledError):
        task.result()
