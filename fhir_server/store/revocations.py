"""What was revoked before its time, asked at every request of every process."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable, Sequence

from fhir_server.store.database import Database, available
from fhir_server.store.groups import Group
from fhir_server.store.opaque import moment

GATHERED = 0.002
"""Seconds in which questions gather: less than a request takes while many are under way."""


class Revocations:
    """The ids of revoked access tokens (`jti`) and of token families.

    Nothing is cached: an answer is never older than the question. Questions that are asked at the
    same time go to the database as one, so that each costs little.
    """

    def __init__(self, database: Database) -> None:
        self._revoked = database["auth_revoked"]
        self._group: Group[tuple[str, str], bool] = Group(self._ask, pause=GATHERED)

    async def add(self, ids: Iterable[str], forget: float) -> None:
        """Revoke tokens or families; remembered until `forget`, seconds since 1970 UTC."""
        until = {"forget": moment(forget)}
        for id_ in ids:
            with available():
                await self._revoked.update_one({"_id": id_}, {"$max": until}, upsert=True)

    def is_revoked(self, jti: str, family: str) -> Future[bool]:
        """Whether the token or its family was revoked, by whichever process, before this call."""
        return self._group.submit((jti, family))

    async def _ask(self, tokens: Sequence[tuple[str, str]]) -> list[bool]:
        ids = list({id_ for token in tokens for id_ in token})
        with available():
            rows = await self._revoked.find({"_id": {"$in": ids}}, {"_id": 1}).to_list()
        if not rows:
            return [False] * len(tokens)
        revoked = {row["_id"] for row in rows}
        return [jti in revoked or family in revoked for jti, family in tokens]
