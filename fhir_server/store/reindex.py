"""Computing the search keys of all resources anew, while the server works.

Each resource is replaced only while it is at the version that was read: a writer who comes between
has written fresh keys. Versions and instants stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace
from pymongo import UpdateOne

from fhir_server.access.grant import Grant
from fhir_server.search.keys import Keys
from fhir_server.store.database import Document, available
from fhir_server.store.jobs import Job, Jobs
from fhir_server.store.pages import BY_ID, PageQuery
from fhir_server.store.resources import Store
from fhir_server.store.version import Version, current_document

KIND = "reindex"
LOT = 200

UNTOUCHED = frozenset(("_id", "v", "u", "m", "w", "raw", "f", "o", "at"))
"""What a document has besides its keys."""

GRANT = Grant.system("reindex: keys are computed from every resource")


async def request(jobs: Jobs, types: Sequence[str] = ()) -> Job:
    """Ask for a reindex of these types (none: all), or join the same one that is under way."""
    for job in await jobs.unfinished(KIND):
        if list(job.request["types"]) == list(types):
            return job
    return await jobs.add(KIND, {"types": list(types)})


async def work(
    store: Store,
    jobs: Jobs,
    index: Callable[[bytes], Keys],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Job | None:
    """Do the next reindex that waits, or that another worker left; None where there is none.

    `index` computes the keys of a resource's bytes; `progress` is told how many are done, of how
    many. Raises LeaseLost when another worker took over, and what `index` raises.
    """
    job = await jobs.take(KIND)
    if job is None:
        return None
    # Until then some process may still write without the keys that the reindex is for.
    await asyncio.sleep(job.request.get("settle", 0))
    types = sorted(job.request["types"]) or await store.types()
    total = sum([await store.count(type_, {}, GRANT) for type_ in types])
    reached = (job.checkpoint.get("type", ""), job.checkpoint.get("id", ""))
    done = job.done
    try:
        for type_ in types:
            if type_ < reached[0]:
                continue
            after = reached[1] if type_ == reached[0] else ""
            while lot := await _lot(store, type_, after):
                await _rewrite(store, type_, lot, index)
                after, done = lot[-1].id, done + len(lot)
                job = await jobs.save(job, {"type": type_, "id": after}, done, total)
                progress(done, total)
    except Exception as error:
        await jobs.fail(job, f"{type(error).__name__}: {error}")
        raise
    return await jobs.finish(job)


async def _lot(store: Store, type_: str, after: str) -> list[Version]:
    rest = {"_id": {"$gt": after}}
    page = await store.page(PageQuery(type_, rest, BY_ID, LOT, hint="_id_"), GRANT)
    return page.versions


async def _rewrite(
    store: Store, type_: str, lot: Sequence[Version], index: Callable[[bytes], Keys]
) -> None:
    changes = [
        UpdateOne({"_id": version.id, "v": version.version}, _change(version, index(version.raw)))
        for version in lot
    ]
    with available():
        await store.collections.current(type_).bulk_write(changes, ordered=False)


def _change(version: Version, keys: Keys) -> list[Document]:
    """The update that gives a document the fields of its new keys and takes away the others."""
    fresh = current_document(replace(version, keys=keys))
    fields = {name: {"$literal": fresh[name]} for name in fresh.keys() - UNTOUCHED}
    gone = [name for name in ("p", "r", "n", "t", "c") if name not in fresh]
    return [{"$set": fields}, *([{"$unset": gone}] if gone else [])]
