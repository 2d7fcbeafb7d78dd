"""Who loads: one of several processes, which does what its parent sends it, or one alone."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from multiprocessing.connection import Connection

import structlog
import uvloop

from fhir_server.garbage import spare_tables
from fhir_server.loading.files import File
from fhir_server.loading.lots import Lot
from fhir_server.loading.report import Report
from fhir_server.loading.run import load
from fhir_server.loading.targets import direct
from fhir_server.loading.together import take_in
from fhir_server.services import Services
from fhir_server.settings import Settings

Opener = Callable[[Settings], AbstractAsyncContextManager[Services]]
"""Opens the server's parts; a function of a module, so that it can be named to a process."""

Work = File | Lot


def work(connection: Connection, opener: Opener, settings: Settings) -> None:
    """Answer None once ready, then every File or Lot with its Report, until None comes.

    Ctrl-C and SIGTERM are for the parent to act upon; when the parent is gone, this process is too.
    """
    errors_alone()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
    uvloop.run(_answer(connection, opener, settings))


async def _answer(connection: Connection, opener: Opener, settings: Settings) -> None:
    async with opener(settings) as services:
        spare_tables()
        connection.send(None)
        while (item := await asyncio.to_thread(connection.recv)) is not None:
            connection.send(await carry_out(item, services))


def errors_alone() -> None:
    """Log errors alone, to standard error: what an absence of the database costs is told anyway."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class Alone:
    """This process and no other at work, on `size` files or lots at once."""

    def __init__(self, services: Services, size: int) -> None:
        self.size = size
        self.longest = services.settings.max_body_bytes
        self._services = services

    async def do(self, item: Work) -> Report:
        """What became of a file or lot."""
        return await carry_out(item, self._services)


async def carry_out(item: Work, services: Services) -> Report:
    """Load a whole file, or a lot of lines."""
    if isinstance(item, File):
        return await load([item], direct(services), 1, lambda *_: None)
    return await take_in(item, services)
