"""How far the indexing of each added search parameter is: shared by all processes.

A row says by which definition (its digest) and which job; it is gone when the parameter is, so that
one that comes back is indexed anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from fhir_server.store.database import Database, available
from fhir_server.store.jobs import Jobs
from fhir_server.store.reindex import KIND

_PREFIX = "search-parameter:"
_TYPE = "SearchParameter"


@dataclass(frozen=True, slots=True)
class Indexing:
    """One parameter's: `ready` once every stored resource has its keys."""

    url: str
    digest: str
    job: str
    ready: bool


class Indexings:
    """The rows, in `settings`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = database["settings"]
        self._jobs = Jobs(database)

    async def epoch(self) -> tuple[int, int]:
        """Two numbers that change whenever a SearchParameter was written or deleted."""
        group = {"$group": {"_id": None, "n": {"$sum": 1}, "v": {"$sum": "$v"}}}
        with available():
            cursor = await self._database[_TYPE].aggregate([group])
            rows = await cursor.to_list()
        return (rows[0]["n"], rows[0]["v"]) if rows else (0, 0)

    async def all(self) -> dict[str, Indexing]:
        """The rows by the parameters' urls."""
        found = {"_id": {"$regex": f"^{_PREFIX}"}}
        with available():
            rows = await self._rows.find(found).to_list()
        return {row["_id"][len(_PREFIX) :]: _indexing(row) for row in rows}

    async def begin(self, url: str, digest: str, types: Sequence[str], settle: float) -> None:
        """Have the types indexed for a definition, unless somebody has begun it already.

        The walk over what is stored begins after `settle` seconds: by then every process writes
        the new keys.
        """
        job = await self._jobs.add(KIND, {"types": list(types), "settle": settle})
        row = {"digest": digest, "job": job.id, "ready": False}
        try:
            with available():
                await self._rows.update_one(
                    {"_id": _PREFIX + url, "digest": {"$ne": digest}}, {"$set": row}, upsert=True
                )
        except DuplicateKeyError:  # the row is there, of the same digest
            await self._jobs.cancel(job.id)

    async def end(self, indexing: Indexing) -> None:
        """The parameter is gone."""
        with available():
            await self._rows.delete_one({"_id": _PREFIX + indexing.url, "job": indexing.job})
        await self._jobs.cancel(indexing.job)

    async def ready(self, indexing: Indexing) -> None:
        """The job of the parameter is done."""
        with available():
            await self._rows.update_one(
                {"_id": _PREFIX + indexing.url, "job": indexing.job}, {"$set": {"ready": True}}
            )


def _indexing(row: Mapping[str, Any]) -> Indexing:
    return Indexing(row["_id"][len(_PREFIX) :], row["digest"], row["job"], row["ready"])
