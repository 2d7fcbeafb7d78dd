"""Who a process is, so that a recorded process id is never mistaken for another one's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path


def started(pid: int) -> str:
    """An opaque mark of when the process began, unique with `pid`; empty where there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The command's name is in parentheses and may hold spaces; field 22 is the start time.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        if fields[0] == "Z":
            return ""
        boot = Path("/proc/sys/kernel/random/boot_id")
        return f"{boot.read_text().strip()}/{fields[19]}"
    return _ps(pid, "lstart=")


def command(pid: int) -> str:
    """The command line of a process; empty where there is none."""
    line = Path(f"/proc/{pid}/cmdline")
    if line.parent.parent.joinpath("self").exists():
        try:
            return line.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    return _ps(pid, "command=")


def allow_open_files() -> None:
    """Let this process and those it starts open as many files as the system permits.

    MongoDB keeps a file open for each collection and index and ends at once where it can open no
    more; many systems start a process with 1,024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end(pid: int, mark: str, patience: float) -> None:
    """End the process that `started` marked so: politely first, after `patience` seconds by force.

    Nothing happens when it is gone already.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started(pid) != mark:
            return
        os.kill(pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            _reap(pid)
            if started(pid) != mark:
                return
            time.sleep(0.02)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _ps(pid: int, column: str) -> str:
    answer = subprocess.run(
        ["/bin/ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
