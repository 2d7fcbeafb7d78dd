"""Running the server: one process, or several that share its socket."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import httpx
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from fhir_server.app import Server
from fhir_server.cli.console import Failed, err
from fhir_server.garbage import spare_tables
from fhir_server.http.connection import Connection
from fhir_server.settings import Settings

PATIENCE = 30
"""Seconds that requests under way have to finish once the server is told to stop."""

START_SECONDS = 120
BACKLOG = 2048


class OwnProcess(Server):
    """The application where a process has nothing else to do."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The server at work; its tables are left out of the search for garbage from then on."""
        async with super().opened():
            spare_tables()
            yield


@contextmanager
def bound(settings: Settings) -> Iterator[tuple[Settings, socket.socket]]:
    """A socket on the address of the settings, and the settings with the port that it got."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise Failed(
                f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
                "Choose another with --port, or --port 0 for any free one."
            ) from None
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        yield settings.model_copy(update={"port": port}), listener


def run(settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until told to stop (SIGINT or SIGTERM), then finish what is under way.

    `ready` is called once the server answers. Raises Failed where it could not start.
    """
    config = uvicorn.Config(
        partial(_worker, settings) if settings.workers > 1 else OwnProcess(settings),
        factory=settings.workers > 1,
        workers=settings.workers,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=PATIENCE,
        timeout_worker_healthcheck=60,
    )
    stop = threading.Event()
    watch = threading.Thread(target=_await, args=(settings, ready, stop), daemon=True)
    watch.start()
    try:
        if settings.workers > 1:
            supervisor = Multiprocess(config, sockets=[listener])
            supervisor.run()
            started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listener])
            started = server.started
    except KeyboardInterrupt:
        err.print("Stopped.")
        return
    finally:
        stop.set()
        watch.join()
    if not started:
        raise Failed("The server could not start; the lines above say why.")


def _worker(settings: Settings) -> OwnProcess:
    """The application of one of several processes; it ends when the process that began it does."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=follow, daemon=True).start()
    return OwnProcess(settings)


def _await(settings: Settings, ready: Callable[[], None], stop: threading.Event) -> None:
    host = settings.host if ":" not in settings.host else f"[{settings.host}]"
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - not bound here
    until = time.monotonic() + START_SECONDS
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.monotonic() < until and not stop.wait(0.02):
            try:
                if client.get(f"http://{host}:{settings.port}/readyz").is_success:
                    ready()
                    return
            except httpx.TransportError:
                continue
