"""SIGTERM ends a command as Ctrl-C does."""

from __future__ import annotations

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """From now on: folders that a command made are removed, a database that it began is stopped.

    Without this the process would be gone at once, and leave all that behind.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So does a shell for what it begins in the background, and loops then do not set up how
        # they end in order. Held back, Ctrl-C stays without effect, and they do.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    # Not by sending SIGINT, which may be held back.
    interrupt = signal.getsignal(signal.SIGINT)
    assert callable(interrupt)  # noqa: S101
    interrupt(signal.SIGINT, frame)  # of a loop that runs: it ends its tasks in order
