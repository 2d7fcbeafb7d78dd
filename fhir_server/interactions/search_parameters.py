"""Added search parameters: checked when they are written, then followed by every process.

A SearchParameter that is stored with status active is indexed from then on by all processes, and
what is stored already is indexed in the background. Until that is done it cannot be searched by:
an answer would miss resources.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from fhir_server.access.grant import Grant
from fhir_server.errors import FhirError, Issue
from fhir_server.fhir import codec
from fhir_server.fhir.definitions import SearchParameter
from fhir_server.search.custom import (
    TYPE,
    accepted,
    definition_of,
    digest,
    faults,
    types_of,
)
from fhir_server.search.index import Indexer
from fhir_server.search.keys import Keys
from fhir_server.search.registry import ABSTRACT, Registry
from fhir_server.services import Services
from fhir_server.store.background import end
from fhir_server.store.jobs import Job, Jobs
from fhir_server.store.reindex import KIND, work
from fhir_server.store.search_parameters import Indexing, Indexings

log = structlog.get_logger()

PERIOD = 1.0
"""Seconds between looks for SearchParameters that came or went."""

SETTLE = 4.0
"""Seconds until what is stored is indexed for a new one: all processes have looked by then."""

PATIENCE = 2.0
"""Seconds that the end waits for work under way; another process takes up what is cut off."""

GRANT = Grant.system("search parameters: the server follows what was added")


def search_parameter_faults(resource: codec.Resource, services: Services) -> list[Issue]:
    """Why a SearchParameter resource cannot be added here; nothing where it can, or adds none."""
    definition = definition_of(resource, services.definitions)
    if definition is None:
        return []
    source = services.live.sources.get(definition.url)
    if source is not None and source != resource.get("id"):
        text = f"SearchParameter/{source} has this url already"
        return [Issue("error", "duplicate", text, (f"{TYPE}.url",))]
    return faults(definition, services.live.indexed)


class Follower:
    """Keeps `services.live` at what is stored. With `indexing` it does the background work too."""

    def __init__(self, services: Services, *, indexing: bool) -> None:
        self._services = services
        self._store = services.store
        self._indexings = Indexings(services.store.database)
        self._jobs = Jobs(services.store.database)
        self._indexing = indexing
        self._epoch: tuple[int, int] | None = None
        self._waiting = False
        self._known: tuple[object, ...] = ((), ())

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Followed meanwhile, from what is stored at the beginning.

        At the end a question to the database is waited for: to cut it off would cost a connection.
        """
        await self.look()
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait([task], timeout=PATIENCE)
            await end(task)

    async def _run(self, stop: asyncio.Event) -> None:
        """Follow until stopped. A database that is away is asked again."""
        while not await _stopped(stop):
            try:
                await self.look()
                if self._indexing and await self._jobs.unfinished(KIND):
                    await self._work()
            except FhirError:
                continue
            except Exception:
                log.exception("search parameters are not followed; trying again")

    async def _work(self) -> None:
        """Do the next reindex that waits; what comes meanwhile is followed too."""
        done = asyncio.Event()
        looking = asyncio.create_task(self._keep_looking(done))
        try:
            await work(self._store, self._jobs, self._keys)
        except Exception as error:
            # The job says why it failed, and searches by its parameter tell it.
            log.warning("reindex failed", error=str(error))
        finally:
            done.set()
            await looking

    async def look(self) -> None:
        """Take over what was stored since the last look."""
        epoch = await self._indexings.epoch()
        if epoch == self._epoch and not self._waiting:
            return
        sources = await self._sources()
        states = await self._indexings.all()
        base = Registry(self._services.definitions)
        candidates = [definition for definition, _ in sources.values()]
        indexed, refused = accepted(candidates, base)
        for definition in indexed.added:
            state = states.pop(definition.url, None)
            if state is None or state.digest != digest(definition):
                await self._begin(definition)
        for state in states.values():
            await self._indexings.end(state)
        pending = {**refused, **await self._pending()}
        self._adopt(indexed, pending, {url: id_ for url, (_, id_) in sources.items()})
        self._epoch, self._waiting = epoch, bool(pending.keys() - refused.keys())

    async def _keep_looking(self, done: asyncio.Event) -> None:
        while not await _stopped(done):
            with suppress(FhirError):
                await self.look()

    async def _sources(self) -> dict[str, tuple[SearchParameter, str]]:
        """The definitions that are stored and active, by url, the older of two first."""
        found = []
        async for version in self._store.stream(TYPE, {}, GRANT):
            resource = codec.value(version.raw)
            definition = definition_of(resource, self._services.definitions)
            if definition is not None:
                found.append((version.updated, version.id, definition))
        sources: dict[str, tuple[SearchParameter, str]] = {}
        for _, id_, definition in sorted(found, key=lambda row: row[:2]):
            sources.setdefault(definition.url, (definition, id_))
        return sources

    async def _begin(self, definition: SearchParameter) -> None:
        everywhere = not set(ABSTRACT).isdisjoint(definition.base)
        types = () if everywhere else types_of(definition, self._services.definitions)
        await self._indexings.begin(definition.url, digest(definition), types, SETTLE)

    async def _pending(self) -> dict[str, str]:
        """By url, what is told about parameters that cannot be searched by yet."""
        found: dict[str, str] = {}
        for url, state in (await self._indexings.all()).items():
            if state.ready:
                continue
            job = await self._jobs.get(state.job)
            if job is not None and job.state == "done":
                await self._indexings.ready(state)
            else:
                found[url] = _told(state, job)
        return found

    def _adopt(self, indexed: Registry, pending: dict[str, str], sources: dict[str, str]) -> None:
        live, services = self._services.live, self._services
        if indexed.added != live.indexed.added:
            live.indexed = indexed
            live.indexer = Indexer(services.definitions, indexed, services.settings.base)
        ready = tuple(one for one in indexed.added if one.url not in pending)
        known = (ready, tuple(pending.items()))
        if known != self._known:
            waiting = {
                (type_, definition.code): pending[definition.url]
                for definition in indexed.added
                if definition.url in pending
                for type_ in types_of(definition, services.definitions)
            }
            live.registry = Registry(services.definitions, ready, waiting)
            self._known = known
        live.sources = sources

    def _keys(self, raw: bytes) -> Keys:
        return self._services.indexer(codec.value(raw))


async def _stopped(stop: asyncio.Event) -> bool:
    """Whether the event came within a period."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), PERIOD)
    return stop.is_set()


def _told(state: Indexing, job: Job | None) -> str:
    if job is None or job.state in ("failed", "cancelled"):
        why = job.error if job else "its job is gone"
        return f"could not be indexed: {why[:200]}; change or delete its SearchParameter"
    share = job.done * 100 // job.total if job.total else 0
    return f"is being indexed: {min(share, 99)} %; try again later"
