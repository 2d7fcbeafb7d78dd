"""The server's signing keys: made once, shared by all processes, kept until nobody needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from fhir_server.store.database import Database, available


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key as JWK. `number` counts the keys of an algorithm; `created` in seconds."""

    algorithm: str
    number: int
    created: float
    jwk: dict[str, Any]


class Keys:
    """The keys of a database."""

    def __init__(self, database: Database) -> None:
        self._keys = database["auth_keys"]

    async def all(self) -> list[StoredKey]:
        """Every key, the newest of each algorithm first."""
        with available():
            rows = await self._keys.find().sort([("algorithm", 1), ("number", -1)]).to_list()
        return [StoredKey(r["algorithm"], r["number"], r["created"], r["jwk"]) for r in rows]

    async def add(self, key: StoredKey) -> bool:
        """Keep a key; False where another process made the key of that number first."""
        row = {
            **{"_id": f"{key.algorithm} {key.number}", "algorithm": key.algorithm},
            **{"number": key.number, "created": key.created, "jwk": key.jwk},
        }
        try:
            with available():
                await self._keys.insert_one(row)
        except DuplicateKeyError:
            return False
        return True

    async def remove(self, key: StoredKey) -> None:
        """Forget a key."""
        with available():
            await self._keys.delete_one({"_id": f"{key.algorithm} {key.number}"})
