"""The database watched while it is loaded into.

Without it no further piece of the load begins, so that a short absence costs no more than what was
under way. Where it stays away, the load need not go on failing to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NoReturn

PATIENCE = 60.0
"""Seconds without the database after which a load stops: a restart or a new primary takes less."""

EVERY = 1.0
"""Seconds between two questions."""

ANSWER = 3.0
"""Seconds in which an answer should come."""


class DatabaseLost(Exception):
    """The database has been away for longer than anybody should wait."""


class Watch:
    """Asks by `ping` whether the database is there; `patience` in seconds."""

    def __init__(self, ping: Callable[[], Awaitable[bool]], patience: float) -> None:
        self._ping = ping
        self._patience = patience
        self._there = asyncio.Event()
        self._there.set()

    async def there(self) -> None:
        """Wait for the database, as far as `look` knows of it."""
        await self._there.wait()

    async def look(self) -> NoReturn:
        """Ask again and again. Raises DatabaseLost when no answer came for the whole patience."""
        # Told by questions alone: a process that was held up itself has not missed any answer.
        away: float | None = None
        while True:
            if await self._answers():
                away = None
                self._there.set()
            else:
                self._there.clear()
                away = away or monotonic()
                if monotonic() - away >= self._patience:
                    raise DatabaseLost
            await asyncio.sleep(EVERY)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER):
                return await self._ping()
        except TimeoutError:
            return False
