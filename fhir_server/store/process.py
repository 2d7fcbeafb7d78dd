"""Who a process is, so that a recorded process id is never mistaken for another one's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc/self")


def started(pid: int) -> str:
    """An opaque mark of when the process began, unique with `pid`; empty where there is none."""
    if not _PROC.exists():
        return _ps(pid, "lstart=")
    fields = _stat(pid)
    if not fields or fields[0] == "Z":
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{boot.read_text().strip()}/{fields[19]}"


def command(pid: int) -> str:
    """The command line of a process; empty where there is none."""
    if not _PROC.exists():
        return _ps(pid, "command=")
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return line.replace(b"\0", b" ").decode(errors="replace").strip()


def worked(pid: int) -> float:
    """The processor seconds that a process has used; 0 where there is none."""
    if not _PROC.exists():
        *days, clock = _ps(pid, "time=").split("-")
        hours = 24 * int(days[0]) if days else 0
        parts = [float(part) for part in clock.split(":") if part]
        return 3600 * hours + sum(part * 60.0**at for at, part in enumerate(reversed(parts)))
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


class Patience:
    """How long to wait for a process: so many seconds, and on as long as it is at work."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._worked = worked(pid)

    def lasts(self) -> bool:
        """Whether to go on waiting: in the last period it used a tenth of a processor or more."""
        now = time.monotonic()
        if now < self._until:
            return True
        before, self._worked = self._worked, worked(self._pid)
        self._until = now + self._seconds
        return self._worked - before >= self._seconds / 10


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


def _stat(pid: int) -> list[str]:
    """What Linux tells of a process, from the field after its name on."""
    try:
        # The name is in parentheses and may hold spaces; the start time is field 22 of all.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _ps(pid: int, column: str) -> str:
    answer = subprocess.run(
        ["/bin/ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
