"""Work that is coalesced: while calls are under way, requests gather and go out as the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

MINIMUM = 8
"""Fewer waiting requests than this are not split among lanes."""


class Group(Generic[Item, Result]):
    """Requests of one kind, sent together by `run`.

    `run` answers a list of items with as many results; an exception among them is raised to the
    one who asked for it, and to nobody else. `lanes` is how many calls may be under way at once,
    `most` how many items one call may carry. For calls whose cost is in their number: `crowd` is
    how many must wait before a further lane is opened for them, `pause` how many seconds a call
    waits for more to join it where there is more than one.
    """

    __slots__ = ("_crowd", "_joined", "_lanes", "_most", "_pause", "_run", "_tasks", "_waiting")

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | BaseException]]],
        *,
        lanes: int = 1,
        most: int = 256,
        crowd: int = 1,
        pause: float = 0,
    ) -> None:
        self._run = run
        self._lanes = lanes
        self._most = most
        self._pause = pause
        self._crowd = crowd
        self._joined = False
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """The result of the item, when the call that carries it has come back."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        open_ = len(self._tasks)
        if not open_ or (open_ < self._lanes and len(self._waiting) >= self._crowd):
            task = loop.create_task(self._lane())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def _lane(self) -> None:
        try:
            await self._work()
        finally:
            # At once, not when the loop calls back: who asks in between would find the lane
            # taken, and nobody would come for them.
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _work(self) -> None:
        while self._waiting:
            if self._pause and (self._joined or len(self._waiting) > 1):
                await asyncio.sleep(self._pause)
            share = min(self._most, -(-len(self._waiting) // self._lanes))
            batch = self._waiting[: max(share, self._crowd, MINIMUM)]
            del self._waiting[: len(batch)]
            # Those who gave up in the meantime (a closed connection) are not carried along.
            batch = [entry for entry in batch if not entry[1].done()]
            if not batch:
                continue
            self._joined = len(batch) > 1
            try:
                results = await self._run([item for item, _ in batch])
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():
                        continue
                    if isinstance(result, BaseException):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
            # Those who were answered now run first, and their next requests join the next call.
            await asyncio.sleep(0)
