"""What waits between two steps of an authorization: requests under way, launches, assertion ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from fhir_server.store.database import Database, available
from fhir_server.store.opaque import digest, moment


class Authorizations:
    """Authorization requests under way, launch contexts and ids of client assertions."""

    def __init__(self, database: Database) -> None:
        self._pending = database["auth_pending"]
        self._launches = database["auth_launches"]
        self._assertions = database["auth_assertions"]

    async def hold(self, id_: str, request: Mapping[str, Any], until: float) -> None:
        """Keep a request until somebody decides about it."""
        row = {"_id": digest(id_), "request": dict(request), "forget": moment(until)}
        with available():
            await self._pending.insert_one(row)

    async def held(self, id_: str, now: float) -> dict[str, Any] | None:
        """The request that waits under an id; None where none does (any more)."""
        with available():
            row = await self._pending.find_one({"_id": digest(id_), "forget": {"$gt": moment(now)}})
        return row["request"] if row else None

    async def take(self, id_: str, now: float) -> dict[str, Any] | None:
        """The same, and it waits no more: of two decisions one counts."""
        with available():
            row = await self._pending.find_one_and_delete(
                {"_id": digest(id_), "forget": {"$gt": moment(now)}}
            )
        return row["request"] if row else None

    async def add_launch(self, token: str, context: Mapping[str, Any], until: float) -> None:
        """Keep what an EHR said of a launch."""
        row = {"_id": digest(token), "context": dict(context), "forget": moment(until)}
        with available():
            await self._launches.insert_one(row)

    async def launch(self, token: str, now: float) -> dict[str, Any] | None:
        """What an EHR said of the launch; None where it is unknown, used or too old."""
        with available():
            row = await self._launches.find_one(
                {"_id": digest(token), "forget": {"$gt": moment(now)}}
            )
        return row["context"] if row else None

    async def use_launch(self, token_digest: str, now: float) -> bool:
        """Use a launch up; False where somebody did so before."""
        with available():
            row = await self._launches.find_one_and_delete(
                {"_id": token_digest, "forget": {"$gt": moment(now)}}
            )
        return row is not None

    async def accept_assertion(self, issuer: str, jti: str, forget: float) -> bool:
        """Whether this is the first time that an issuer presents the id; decided atomically."""
        row = {"_id": digest(f"{issuer}\n{jti}"), "forget": moment(forget)}
        try:
            with available():
                await self._assertions.insert_one(row)
        except DuplicateKeyError:
            return False
        return True
