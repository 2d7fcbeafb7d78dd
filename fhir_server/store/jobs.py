"""Long work in the background: jobs that one worker has at a time and that survive its end.

A job is taken under a lease, which every `save` renews. A worker that is heard of no more loses it
to the next one, which goes on from the last checkpoint.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReturnDocument

from fhir_server.errors import Conflict
from fhir_server.store.database import Database, Document, available

LEASE_SECONDS = 60
OPEN_STATES = ("queued", "running")


class LeaseLost(Conflict):
    """Another worker has the job now, or somebody cancelled it; this one must stop."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `state` is queued, running, done, failed or cancelled.

    `request` says what to do, `checkpoint` what is done of it, in the words of its `kind`; `done`
    and `total` count its units. `attempt` is how often a worker took it.
    """

    id: str
    kind: str
    state: str
    request: Mapping[str, Any]
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    attempt: int = 0
    error: str = ""
    owner: str = ""


class Jobs:
    """The jobs of a database."""

    def __init__(self, database: Database) -> None:
        self._jobs = database["jobs"]

    async def add(self, kind: str, request: Mapping[str, Any]) -> Job:
        """Queue a job."""
        id_ = secrets.token_urlsafe(16)
        start = {
            **{"kind": kind, "state": "queued", "request": dict(request), "checkpoint": {}},
            **{"done": 0, "total": 0, "attempt": 0, "error": "", "owner": ""},
        }
        with available():
            await self._jobs.update_one(
                {"_id": id_}, [{"$set": {**_literal(start), "created": "$$NOW"}}], upsert=True
            )
        return Job(id_, kind, "queued", request)

    async def get(self, id_: str) -> Job | None:
        """The job as it is now."""
        with available():
            row = await self._jobs.find_one({"_id": id_})
        return _job(row) if row else None

    async def unfinished(self, kind: str) -> list[Job]:
        """The jobs of a kind that wait or run, the oldest first."""
        query = {"kind": kind, "state": {"$in": list(OPEN_STATES)}}
        with available():
            return [_job(row) for row in await self._jobs.find(query).sort("created").to_list()]

    async def take(self, kind: str) -> Job | None:
        """The oldest job of the kind that waits, or whose worker is heard of no more."""
        free = {
            "kind": kind,
            "$or": [
                {"state": "queued"},
                {"state": "running", "$expr": {"$lt": ["$until", "$$NOW"]}},
            ],
        }
        taken = {
            **{"state": "running", "owner": secrets.token_hex(8), "until": _until()},
            "attempt": {"$add": ["$attempt", 1]},
        }
        with available():
            row = await self._jobs.find_one_and_update(
                free,
                [{"$set": taken}],
                sort=[("created", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return _job(row) if row else None

    async def save(self, job: Job, checkpoint: Mapping[str, Any], done: int, total: int) -> Job:
        """Record how far the job is and renew the lease. Raises LeaseLost."""
        state = {"checkpoint": dict(checkpoint), "done": done, "total": total}
        return await self._change(job, {**_literal(state), "until": _until()})

    async def finish(self, job: Job) -> Job:
        """The job is done. Raises LeaseLost."""
        return await self._change(job, {"state": "done"})

    async def fail(self, job: Job, error: str) -> Job:
        """The job cannot be done. Raises LeaseLost."""
        return await self._change(job, _literal({"state": "failed", "error": error}))

    async def cancel(self, id_: str) -> bool:
        """End a job that waits or runs; its worker finds out at its next `save`."""
        with available():
            answer = await self._jobs.update_one(
                {"_id": id_, "state": {"$in": list(OPEN_STATES)}},
                {"$set": {"state": "cancelled", "owner": ""}},
            )
        return answer.modified_count == 1

    async def _change(self, job: Job, values: Document) -> Job:
        with available():
            row = await self._jobs.find_one_and_update(
                {"_id": job.id, "owner": job.owner, "state": "running"},
                [{"$set": values}],
                return_document=ReturnDocument.AFTER,
            )
        if row is None:
            raise LeaseLost(f"The job {job.id} is no longer this worker's")
        return _job(row)


def _until() -> Document:
    """The end of a lease by MongoDB's clock: the workers' clocks need not agree."""
    return {"$add": ["$$NOW", LEASE_SECONDS * 1000]}


def _literal(values: Document) -> Document:
    """Values that an aggregation takes as they are, `$` and all."""
    return {name: {"$literal": value} for name, value in values.items()}


def _job(row: Document) -> Job:
    return Job(
        row["_id"],
        row["kind"],
        row["state"],
        row["request"],
        row["checkpoint"],
        row["done"],
        row["total"],
        row["attempt"],
        row["error"],
        row["owner"],
    )
