"""A whole server in a process of its own, to be used over HTTP and killed at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Served:
    """A running server; `base` is the URL of its FHIR API."""

    def __init__(self, process: subprocess.Popen[str], base: str) -> None:
        self.process = process
        self.base = base

    def kill(self) -> None:
        """End it as a power cut would; its database lives on."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serve(data: Path, *options: str, **settings: str) -> Iterator[Served]:
    """An open server on a data folder, on a free port, ended at the end if it still runs.

    `settings` are by their names in the environment, `FHIR_...`.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FHIR_")}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "fhir_server", "serve", "--open", "--port", "0"),
            *("--data", str(data), *options),
        ],
        cwd=ROOT,
        env=environment | settings | {"COLUMNS": "200", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "FHIR R4 server at " in line:
                base = line.partition("FHIR R4 server at ")[2].strip()
                yield Served(process, base)
                break
        else:
            raise RuntimeError("the server did not start")
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
