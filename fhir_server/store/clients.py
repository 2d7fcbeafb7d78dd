"""The registered clients, as documents in the words of RFC 7591."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from fhir_server.store.database import Database, available


class Clients:
    """The clients of a database; what a document says is checked by those who write it."""

    def __init__(self, database: Database) -> None:
        self._clients = database["auth_clients"]

    async def get(self, id_: str) -> dict[str, Any] | None:
        """A client's document."""
        with available():
            return await self._clients.find_one({"_id": id_})

    async def all(self) -> list[dict[str, Any]]:
        """Every client's document, by id."""
        with available():
            return await self._clients.find().sort("_id").to_list()

    async def add(self, id_: str, document: Mapping[str, Any]) -> bool:
        """Keep a new client; False where the id is taken."""
        try:
            with available():
                await self._clients.insert_one({**document, "_id": id_})
        except DuplicateKeyError:
            return False
        return True

    async def put(self, id_: str, document: Mapping[str, Any]) -> None:
        """Keep a client in place of what was under its id."""
        with available():
            await self._clients.replace_one({"_id": id_}, {**document, "_id": id_}, upsert=True)

    async def remove(self, id_: str) -> bool:
        """Forget a client; False where there was none."""
        with available():
            answer = await self._clients.delete_one({"_id": id_})
        return answer.deleted_count == 1
