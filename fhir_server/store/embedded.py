"""The embedded database: a `mongod` of our own under the data folder.

It is a replica set of one member on a free loopback port, with access control by a key file and a
random password, both readable by the owner alone:

    DATA/mongod/lock           held by the server that owns the folder
    DATA/mongod/state.json     process id and start, port
    DATA/mongod/key, password  mode 0600
    DATA/mongod/db, log        the database's files and its log

A database that outlived its server (`kill -9`) is recognised by its recorded process id, start time
and folder, and used again.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fhir_server.errors import Unavailable
from fhir_server.store import process, replica_set

START_SECONDS = 60.0
"""So long it may do nothing at its start. After a crash it does again what is not in its files."""

STOP_SECONDS = 120.0
"""At its end it writes to its files all that it has in memory alone."""

LARGE_TRANSACTIONS = (
    "eviction_dirty_target=60,eviction_dirty_trigger=80,"
    "eviction_updates_target=60,eviction_updates_trigger=80"
)
"""All that a transaction writes stays in the cache until its end, and 25,000 resources with their
keys are 560 MB there. By default writers are halted at a fifth of the cache."""

MISSING = (
    'No mongod was found. Install one with: pip install "fhir-server[embedded]" - or install '
    "MongoDB's own package (mongodb-org-server) so that mongod is on PATH - or set "
    "FHIR_MONGODB_URI to a replica set that runs already."
)


def binary() -> Path:
    """The `mongod` on PATH or, failing that, the one in the wheel of the extra `embedded`.

    Raises Unavailable, saying what to install, where there is none.
    """
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    # The package is located, never imported: its __init__ does far more than we want.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        bundled = Path(folder, "db", "bin", "mongod")
        if bundled.is_file():
            return bundled
    raise Unavailable(MISSING)


@dataclass(slots=True)
class Embedded:
    """A running embedded database. Whoever started it calls `stop`."""

    uri: str
    pid: int
    reused: bool
    _mark: str
    _lock: IO[str] | None

    def stop(self) -> None:
        """End mongod cleanly, then let go of the folder. A second call does nothing."""
        if self._lock is None:
            return
        process.end(self.pid, self._mark, STOP_SECONDS)
        self._lock.close()
        self._lock = None


def start(
    data: Path,
    *,
    history_window: int = 300,
    cache_gb: float | None = None,
    transaction_seconds: int = 600,
    parameters: Sequence[str] = (),
) -> Embedded:
    """Start the database of a data folder, or take over the one that a dead server left running.

    `history_window` is how many seconds back a page may still be read as it was; `cache_gb` is the
    most memory for MongoDB's cache (a quarter of the machine's, from 1 to 4 GB); `parameters` are
    further `name=value` of mongod's --setParameter. Raises Unavailable when another server holds
    the folder, when there is no binary, and when mongod ends at once (with its last words).
    """
    home = data / "mongod"
    (home / "db").mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    lock = _lock(home)
    try:
        password = _secret(home / "password", 32)
        _secret(home / "key", 512)
        pid, mark, port = _recorded(home)
        reused = bool(mark)
        if not reused:
            arguments = [
                f"minSnapshotHistoryWindowInSeconds={history_window}",
                f"transactionLifetimeLimitSeconds={transaction_seconds}",
                # A transaction waits for a collection that is being created, and does not fail.
                "maxTransactionLockRequestTimeoutMillis=5000",
                "diagnosticDataCollectionEnabled=false",
                *parameters,
            ]
            pid, port = _launch(home, port, cache_gb or _cache(), arguments)
            mark = process.started(pid)
            state = {"pid": pid, "started": mark, "port": port}
            _write(home / "state.json", json.dumps(state))
        try:
            _wait_for_primary(home, pid, mark, port, password)
        except BaseException:
            process.end(pid, mark, STOP_SECONDS)
            raise
        return Embedded(replica_set.address(port, password), pid, reused, mark, lock)
    except BaseException:
        lock.close()
        raise


def running(data: Path) -> str | None:
    """The address of the database that runs under a data folder now; None where none does.

    For commands that work beside a running server; they neither start nor stop it.
    """
    home = data / "mongod"
    _, mark, port = _recorded(home)
    if not mark:
        return None
    return replica_set.address(port, (home / "password").read_text())


def _cache() -> float:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(memory / 4 / 2**30, 1.0), 4.0)


def _lock(home: Path) -> IO[str]:
    file = (home / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise Unavailable(
            f"Another server (process {holder}) uses the data folder {home.parent}. "
            "Stop it, or choose another folder with --data."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _write(path: Path, text: str) -> None:
    """Write whole or not at all, readable by the owner alone."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _secret(path: Path, size: int) -> str:
    if not path.exists():
        # Letters and digits alone: they need no escape in an address, nor in a key file.
        _write(path, secrets.token_hex(size // 2))
    return path.read_text()


def _recorded(home: Path) -> tuple[int, str, int]:
    """Process id, mark (empty unless it is our mongod and alive) and port of the last start."""
    try:
        state = json.loads((home / "state.json").read_text())
        pid, mark, port = int(state["pid"]), str(state["started"]), int(state["port"])
    except (OSError, ValueError, KeyError):
        return 0, "", 0
    line = process.command(pid)
    ours = mark and process.started(pid) == mark and "mongod" in line and str(home / "db") in line
    return pid, mark if ours else "", port


def _launch(home: Path, port: int, cache_gb: float, parameters: list[str]) -> tuple[int, int]:
    """Start mongod, on the port of the last time where it is free. Process id and port."""
    program = binary()
    for number in (port, 0, 0):
        chosen = _free_port(number)
        command = [
            *(str(program), "--dbpath", str(home / "db"), "--logpath", str(home / "log")),
            *("--logappend", "--quiet", "--bind_ip", "127.0.0.1", "--port", str(chosen)),
            *("--nounixsocket", "--noscripting", "--replSet", replica_set.NAME, "--auth"),
            *("--keyFile", str(home / "key"), "--wiredTigerCacheSizeGB", str(cache_gb)),
            *("--oplogSize", "1024", "--wiredTigerEngineConfigString", LARGE_TRANSACTIONS),
        ]
        for parameter in parameters:
            command += ["--setParameter", parameter]
        process.allow_open_files()
        # A session of its own: Ctrl-C reaches the server alone, which then stops mongod in order.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        patience = process.Patience(child.pid, START_SECONDS)
        while child.poll() is None and patience.lasts():
            if _listens(chosen):
                pid = child.pid
                child.returncode = 0  # It is ended by its process id, by us or by a later server.
                return pid, chosen
            time.sleep(0.01)
        if child.poll() is None:
            child.kill()
            child.wait()
    raise Unavailable(f"mongod ended at once; {home / 'log'} ends with: {_last_words(home)}")


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for_primary(home: Path, pid: int, mark: str, port: int, password: str) -> None:
    patience = process.Patience(pid, START_SECONDS)
    while process.started(pid) == mark and patience.lasts():
        if replica_set.is_primary(port, password):
            return
        time.sleep(0.02)
    raise Unavailable(f"mongod did not become ready; its log ends with: {_last_words(home)}")


def _last_words(home: Path) -> str:
    try:
        lines = (home / "log").read_text(errors="replace").splitlines()[-400:]
    except OSError:
        return "nothing"
    told = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line]
    return " / ".join((told or lines)[-3:])
