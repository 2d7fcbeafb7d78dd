"""R4's own definitions, and ours, as resources of the database: readable, searchable, once.

They carry the tag `ORIGIN|base`, and are stored as version 1 under the ids that they have in R4.
What somebody stored under such an id before stays as it is, and what somebody deleted stays away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

import structlog

from fhir_server.access.grant import Grant
from fhir_server.errors import DuplicateId
from fhir_server.fhir import codec
from fhir_server.search.keys import Keys
from fhir_server.store import lease
from fhir_server.store.database import available
from fhir_server.store.resources import Store
from fhir_server.store.version import Version

ORIGIN = "urn:fhir-server:origin"
"""System of the tag that such resources carry."""

GRANT = Grant.system("conformance: R4's own definitions become resources")

MARK = "conformance"
LOT = 10
PAUSE = 0.01
"""Seconds between lots, in which requests are answered."""

log = structlog.get_logger()

Index = Callable[[codec.Resource], Keys]


def is_untouched(raw: bytes) -> bool:
    """Whether a stored resource is as the program brought it; then the program knows it anyway."""
    head = raw[:600]  # id and meta come first
    return b'"versionId":"1"' in head and f'"system":"{ORIGIN}","code":"base"'.encode() in head


async def bring(
    store: Store, index: Index, resources: Iterable[codec.Resource], digest: str
) -> int:
    """Store what is not there yet; how many that was, 0 where this `digest` was brought before.

    Raises Unavailable while another process is at it.
    """
    settings = store.database["settings"]
    with available():
        mark = await settings.find_one({"_id": MARK})
    if mark is not None and mark["digest"] == digest:
        return 0
    async with lease.held(store.database, MARK):
        stored = 0
        waiting = iter(resources)
        while lot := list(islice(waiting, LOT)):
            stored += await _insert(store, index, lot)
            await asyncio.sleep(PAUSE)
        with available():
            await settings.replace_one({"_id": MARK}, {"digest": digest}, upsert=True)
    log.info("conformance", stored=stored)
    return stored


async def _insert(store: Store, index: Index, lot: list[codec.Resource]) -> int:
    """Store one lot; how many of it were new."""
    references = [(one["resourceType"], one["id"]) for one in lot]
    there = await store.read_many(references, GRANT, tombstones=True)
    fresh = [
        _version(one, index, store.stamp())
        for one, reference in zip(lot, references, strict=True)
        if reference not in there
    ]
    for version in fresh:
        try:
            await store.insert([version], GRANT)
        except DuplicateId:
            continue  # somebody was quicker, and it is theirs
    return len(fresh)


def _version(resource: codec.Resource, index: Index, updated: int) -> Version:
    type_, id_ = resource["resourceType"], resource["id"]
    tagged = {**resource, "meta": {"tag": [{"system": ORIGIN, "code": "base"}]}}
    raw = codec.stamp(codec.encode(tagged), type_, id_, 1, updated)
    return Version(type_, id_, 1, updated, raw, "PUT", index(codec.value(raw)))
