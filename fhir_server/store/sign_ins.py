"""What sign-in keeps for a time: sessions, counts of attempts, challenges of passkeys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument

from fhir_server.store.database import Database, available
from fhir_server.store.opaque import digest, moment


class SignIns:
    """Sessions, attempts and challenges of a database; tokens are known by their hash alone."""

    def __init__(self, database: Database) -> None:
        self._sessions = database["sign_in_sessions"]
        self._attempts = database["sign_in_attempts"]
        self._challenges = database["sign_in_challenges"]

    async def add_session(self, token: str, session: Mapping[str, Any], until: float) -> str:
        """Keep a session until `until`; its id, which is no secret."""
        id_ = digest(token)
        with available():
            await self._sessions.insert_one({**session, "_id": id_, **_until(until)})
        return id_

    async def session(self, token: str, now: float) -> dict[str, Any] | None:
        """The session of a token; None where it ended."""
        with available():
            return await self._sessions.find_one(
                {"_id": digest(token), "forget": {"$gt": moment(now)}}
            )

    async def lasts(self, id_: str, now: float) -> bool:
        """Whether a session, by its id, has not ended."""
        query = {"_id": id_, "forget": {"$gt": moment(now)}}
        with available():
            return await self._sessions.find_one(query, {"_id": 1}) is not None

    async def extend(self, id_: str, until: float) -> None:
        """Let a session live on."""
        with available():
            await self._sessions.update_one({"_id": id_}, {"$set": _until(until)})

    async def end_session(self, id_: str) -> None:
        """End a session, by its id."""
        with available():
            await self._sessions.delete_one({"_id": id_})

    async def end_all(self, account: str, but: str = "") -> list[str]:
        """End every session of an account but one; the ids of those that ended."""
        query = {"account": account, "_id": {"$ne": but}}
        with available():
            ids = [row["_id"] for row in await self._sessions.find(query, {"_id": 1}).to_list()]
            await self._sessions.delete_many({"_id": {"$in": ids}})
        return ids

    async def attempt(
        self, bucket: str, now: float, delays: tuple[float, ...], memory: float
    ) -> float:
        """Count an attempt beforehand; 0, or the seconds to wait, in which case it is not counted.

        After the n-th attempt the next must wait `delays[n - 1]` (the last of them from then on).
        """
        id_ = digest(bucket)
        waits: dict[str, Any] = {
            "$arrayElemAt": [
                list(delays),
                {"$min": [{"$ifNull": ["$count", 0]}, len(delays) - 1]},
            ]
        }
        # Without a delay there is no moment to wait for: clocks differ, and attempts overlap.
        after = {"$cond": [{"$gt": [waits, 0]}, {"$add": [now, waits]}, 0]}
        free = {"$lte": [{"$ifNull": ["$next", 0]}, now]}
        update = [
            {
                "$set": {
                    "free": free,
                    "count": {
                        "$cond": [
                            free,
                            {"$add": [{"$ifNull": ["$count", 0]}, 1]},
                            {"$ifNull": ["$count", 0]},
                        ]
                    },
                    "next": {"$cond": [free, after, "$next"]},
                    "forget": moment(now + memory),
                }
            }
        ]
        with available():
            row = await self._attempts.find_one_and_update(
                {"_id": id_}, update, upsert=True, return_document=ReturnDocument.AFTER
            )
        if row is None or row["free"]:
            return 0.0
        return max(1.0, float(row["next"]) - now)

    async def waiting(self, buckets: Sequence[str], now: float) -> tuple[bool, float]:
        """Whether an attempt is counted in one of them, and the seconds to wait, without counting.

        0 seconds where the next attempt is free in all of them.
        """
        query = {"_id": {"$in": [digest(bucket) for bucket in buckets]}}
        with available():
            rows = await self._attempts.find(query, {"next": 1}).to_list()
        return bool(rows), max([0.0, *(float(row["next"]) - now for row in rows)])

    async def forgive(self, bucket: str) -> None:
        """Forget the attempts that were counted."""
        with available():
            await self._attempts.delete_one({"_id": digest(bucket)})

    async def add_challenge(self, token: str, challenge: str, until: float) -> None:
        """Keep the challenge that a browser was given, in place of an older one."""
        row = {"challenge": challenge, "forget": moment(until)}
        with available():
            await self._challenges.replace_one({"_id": digest(token)}, row, upsert=True)

    async def take_challenge(self, token: str, now: float) -> str | None:
        """The challenge, once."""
        with available():
            row = await self._challenges.find_one_and_delete(
                {"_id": digest(token), "forget": {"$gt": moment(now)}}
            )
        return row["challenge"] if row else None


def _until(seconds: float) -> dict[str, Any]:
    return {"until": seconds, "forget": moment(seconds)}
