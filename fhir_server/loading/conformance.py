"""R4's own definitions brought to the database, once, while the server works.

Each source gives resources with stable ids. What they are is told by the digest of their files, so
that a database gets them again when a new version of the program has others.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from fhir_server.errors import Unavailable
from fhir_server.fhir import codec
from fhir_server.fhir.archive import Archive
from fhir_server.services import Services
from fhir_server.store.background import end
from fhir_server.store.conformance import bring
from fhir_server.terminology import base
from fhir_server.validation.profiles import library as profiles

log = structlog.get_logger()

PATIENCE = 10.0
"""Seconds until a process looks again whether the one that is at it came to its end."""


class Source(NamedTuple):
    """Where definitions come from: the folder whose files they are made of, and the resources."""

    folder: Callable[[], Path]
    resources: Callable[[], Iterator[codec.Resource]]


def _terminology() -> Iterator[codec.Resource]:
    """Code systems, value sets, maps, search parameters, operations and compartments."""
    known = base.load()
    for entry in known.entries():
        yield codec.value(known.raw(entry))


def _profiles() -> Iterator[codec.Resource]:
    """StructureDefinitions: R4's types and extensions, and our own profiles."""
    archive = Archive(profiles.folder() / profiles.ARCHIVE)
    for row in archive.rows:
        yield codec.value(archive.raw(row))
    yield from profiles.load().own()


SOURCES: tuple[Source, ...] = (
    Source(base.folder, _terminology),
    Source(profiles.folder, _profiles),
)


def digest() -> str:
    """What tells the definitions of this program from those of another version."""
    found = hashlib.sha256()
    for source in SOURCES:
        for path in sorted(one for one in source.folder().iterdir() if one.is_file()):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


async def bring_definitions(services: Services) -> int:
    """Store the definitions that are not there yet; how many that was.

    Raises Unavailable while another process is at it.
    """
    resources = (one for source in SOURCES for one in source.resources())
    return await bring(services.store, services.indexer, resources, digest())


@asynccontextmanager
async def bringing(services: Services) -> AsyncIterator[None]:
    """Bring the definitions in the background meanwhile; what is cut off goes on another time."""
    task = asyncio.create_task(_keep_trying(services))
    try:
        yield
    finally:
        await end(task)


async def _keep_trying(services: Services) -> None:
    while True:
        try:
            await bring_definitions(services)
        except Unavailable:
            await asyncio.sleep(PATIENCE)
        except Exception as error:  # the server works without them, but somebody should know
            log.error("conformance", error=f"{type(error).__name__}: {error}")
            return
        else:
            return
