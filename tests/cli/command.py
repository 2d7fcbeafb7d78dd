"""Running `fhir-server` as users do: a process of its own, its words read from its pipes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAM = (sys.executable, "-m", "fhir_server")
START_SECONDS = 90


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of the server's, plus these."""
    settings = {"base_definitions": "false", **settings}
    bare = {name: v for name, v in os.environ.items() if not name.startswith("FHIR_")}
    return {**bare, **{f"FHIR_{name.upper()}": value for name, value in settings.items()}}


def run(
    *arguments: str | Path, cwd: Path | None = None, stdin: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """The finished command."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=environment(**settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


class Running:
    """A command that goes on: what it said so far, and its base URL once it said it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self._said = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in ((process.stdout, self.lines), (process.stderr, self.complaints))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Iterator[str], lines: list[str]) -> None:
        for line in pipe:
            with self._said:
                lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match among the lines of standard output."""

        def found() -> re.Match[str] | None:
            return next((m for line in self.lines if (m := re.search(pattern, line))), None)

        until = time.monotonic() + START_SECONDS
        with self._said:
            while not (match := found()) and self.process.poll() is None:
                if time.monotonic() > until:
                    break
                self._said.wait(0.2)
        match = match or found()
        assert match, f"it never said {pattern}: {self.lines} {self.complaints}"
        return match

    @property
    def base(self) -> str:
        """The base URL that it serves at."""
        return self.wait_for(r"server at (http://\S+)")[1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        for reader in self._readers:
            reader.join(10)
        return status


@contextmanager
def running(
    *arguments: str | Path, program: Sequence[str] = PROGRAM, **settings: str
) -> Iterator[Running]:
    """The command under way; it is ended afterwards if it still runs."""
    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = Running(process)
    try:
        yield started
    finally:
        if process.poll() is None:
            started.end()
        for pipe in (process.stdout, process.stderr):
            assert pipe
            pipe.close()
