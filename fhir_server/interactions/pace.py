"""Long work gives way to others: one large Bundle must not stall the small requests beside it."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.004
"""Seconds of work at a stretch."""


class Pace:
    """Awaited between the steps of long work; lets others run where a slice of time is used up."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def step(self) -> None:
        """Give way if the slice is used up."""
        if perf_counter() - self._since > SLICE:
            await asyncio.sleep(0)
            self._since = perf_counter()
