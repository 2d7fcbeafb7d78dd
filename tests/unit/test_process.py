"""How long a process is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fhir_server.store import process

SECONDS = 0.5


@contextmanager
def child(work: str) -> Iterator[int]:
    started = subprocess.Popen([sys.executable, "-c", work])
    try:
        yield started.pid
    finally:
        started.kill()
        started.wait()


@pytest.mark.parametrize(
    ("work", "goes_on"), [("while True: pass", True), ("import time; time.sleep(60)", False)]
)
def test_it_is_waited_for_as_long_as_it_works(work, goes_on):
    with child(work) as pid:
        time.sleep(1)  # a sleeper starts with some work, too
        patience = process.Patience(pid, SECONDS)
        assert patience.lasts()
        time.sleep(SECONDS + 0.1)
        assert patience.lasts() is goes_on


def test_what_a_process_worked_only_grows():
    before = process.worked(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert process.worked(os.getpid()) >= before + 0.05
    assert process.worked(2**22 + 1) == 0.0  # more than Linux gives
