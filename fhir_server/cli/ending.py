"""SIGTERM ends a command as Ctrl-C does."""

from __future__ import annotations

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """From now on: folders that a command made are removed, a database that it began is stopped.

    Without this the process would be gone at once, and leave all that behind.
    """
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    # Not by sending SIGINT: that is ignored in what a shell began in the background.
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        interrupt(signal.SIGINT, frame)  # of a loop that runs: it ends its tasks in order
    else:
        raise KeyboardInterrupt
