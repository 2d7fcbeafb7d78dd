"""The accounts of people: who they are, and what they sign in with, each secret hashed.

A TOTP secret cannot be hashed, since the server must compute the same codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from fhir_server.store.database import Database, available

NAME = "name"


class Accounts:
    """The accounts of a database. What a document says is checked by those who write it."""

    def __init__(self, database: Database) -> None:
        self._accounts = database["accounts"]

    async def get(self, id_: str) -> dict[str, Any] | None:
        """The account of an id."""
        return await self._find({"_id": id_})

    async def by_name(self, name: str) -> dict[str, Any] | None:
        """The account of a sign-in name, in lower case."""
        return await self._find({NAME: name})

    async def by_passkey(self, credential: str) -> dict[str, Any] | None:
        """The account that holds a passkey, by the credential's id in base64url."""
        return await self._find({"passkeys.id": credential})

    async def by_upstream(self, identity: str) -> dict[str, Any] | None:
        """The account that an identity of another provider is linked to."""
        return await self._find({"upstream": identity})

    async def all(self) -> list[dict[str, Any]]:
        """Every account, by name."""
        with available():
            return await self._accounts.find().sort(NAME).to_list()

    async def add(self, document: Mapping[str, Any]) -> bool:
        """Keep a new account; False where its id or name is taken."""
        try:
            with available():
                await self._accounts.insert_one(dict(document))
        except DuplicateKeyError:
            return False
        return True

    async def set(self, id_: str, **fields: Any) -> bool:
        """Put fields in place of old ones; False where there is no such account.

        Also False where a field must be unique and another account has that value.
        """
        try:
            with available():
                answer = await self._accounts.update_one({"_id": id_}, {"$set": fields})
        except DuplicateKeyError:
            return False
        return answer.matched_count == 1

    async def remove(self, id_: str) -> bool:
        """Forget an account."""
        with available():
            answer = await self._accounts.delete_one({"_id": id_})
        return answer.deleted_count == 1

    async def use_recovery(self, id_: str, code: str) -> bool:
        """Use a recovery code up, by its hash; False where the account has no such code (now)."""
        query = {"_id": id_, "recovery": code}
        with available():
            answer = await self._accounts.update_one(query, {"$pull": {"recovery": code}})
        return answer.modified_count == 1

    async def use_step(self, id_: str, step: int) -> bool:
        """Take note of the time step of a TOTP code; False where it, or a later one, was used."""
        query = {"_id": id_, "totp.last": {"$lt": step}}
        with available():
            answer = await self._accounts.update_one(query, {"$set": {"totp.last": step}})
        return answer.modified_count == 1

    async def add_passkey(self, id_: str, passkey: Mapping[str, Any]) -> bool:
        """Keep a passkey of the account; False where an account has it already."""
        query = {"_id": id_, "passkeys.id": {"$ne": passkey["id"]}}
        try:
            with available():
                answer = await self._accounts.update_one(
                    query, {"$push": {"passkeys": dict(passkey)}}
                )
        except DuplicateKeyError:
            return False
        return answer.modified_count == 1

    async def use_passkey(self, id_: str, credential: str, count: int) -> None:
        """Take note of the signature counter of a passkey."""
        query = {"_id": id_, "passkeys.id": credential}
        with available():
            await self._accounts.update_one(query, {"$set": {"passkeys.$.count": count}})

    async def remove_passkey(self, id_: str, credential: str) -> None:
        """Forget a passkey."""
        with available():
            await self._accounts.update_one(
                {"_id": id_}, {"$pull": {"passkeys": {"id": credential}}}
            )

    async def _find(self, query: dict[str, Any]) -> dict[str, Any] | None:
        with available():
            return await self._accounts.find_one(query)
