"""How much work expressions may be: a caller's may nest loops in loops, or hold a hostile pattern.

What is left is shared by all expressions of a request, where one is under way.
"""

from __future__ import annotations

from contextvars import ContextVar

from fhir_server.errors import TooCostly

SECONDS = 0.5
"""Processor time for regular expressions."""

STEPS = 2_000_000
"""Items that lambdas (`where`, `select`, `repeat` ...) may go through, beside the free ones: some
ten seconds of work. A single item is no loop."""

FREE = 1_000
"""Steps of each evaluation that do not count: rules of resources need no more."""

_LOT = 1_000


class Effort:
    """What is left to be spent: `seconds` by patterns, steps by lambdas."""

    __slots__ = ("seconds", "steps")

    def __init__(self) -> None:
        self.seconds = SECONDS
        self.steps = STEPS

    def draw(self, missing: int) -> int:
        """Some more steps than are missing. Raises TooCostly where there are not as many left."""
        lot = missing + _LOT
        self.steps -= lot
        if self.steps < 0:
            raise TooCostly(
                f"The expression takes more than {STEPS:,} steps: loops inside loops, such as "
                "select() in select(), are the usual cause"
            )
        return lot


_shared: ContextVar[Effort | None] = ContextVar("effort of a request", default=None)


def share_effort() -> None:
    """Let all expressions of this task, and of those that it starts, draw on one Effort."""
    _shared.set(Effort())


def effort() -> Effort:
    """What the request under way has left; a new one where there is none."""
    return _shared.get() or Effort()
