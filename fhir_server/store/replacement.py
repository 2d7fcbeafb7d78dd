"""Replacing the documents of one type, many at once: history first, a guarded replacement after.

A copy in the history whose replacement never came is harmless: the version it shows is current
still, and the next try finds it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, WriteError
from pymongo.results import BulkWriteResult, UpdateResult

from fhir_server.access.grant import Filter
from fhir_server.store.database import Document, available
from fhir_server.store.indexes import Collections
from fhir_server.store.insertion import insert
from fhir_server.store.outcomes import (
    UNSTORABLE,
    Outcome,
    apart_when_unstorable,
    lost,
    raise_too_large,
    unstorable,
)
from fhir_server.store.transaction import Session
from fhir_server.store.version import history_id


class Replaced(msgspec.Struct, frozen=True):
    """A copy for the history, what takes its place, and the version that must be current."""

    history: RawBSONDocument
    document: Document
    old: int


class Replacement:
    """Copies to the history and guarded replacements of one type."""

    def __init__(
        self, collections: Collections, type_: str, session: Session | None = None
    ) -> None:
        self._current = collections.current(type_)
        self._history = collections.history(type_)
        self._type = type_
        self._mongo = session.mongo if session else None

    async def __call__(self, items: Sequence[Replaced]) -> Sequence[Outcome]:
        return await apart_when_unstorable(self._replace, items, self._type)

    async def within(self, items: Sequence[Replaced]) -> Sequence[Outcome]:
        """In the transaction, which has to end where one is lost."""
        # An interrupted update may have left the copy: inside a transaction a duplicate would end
        # it, so the copy is written over.
        copies = [
            ({"_id": history_id(item.document["_id"], item.old)}, item.history) for item in items
        ]
        try:
            await self._put(self._history, copies, upsert=True)
            if await self._all_replaced(items):
                return [None] * len(items)
        except UNSTORABLE as error:
            raise unstorable(self._type, error) from error
        tokens = await self._tokens(items)
        return [
            None
            if tokens.get(item.document["_id"]) == item.document["w"]
            else lost(self._type, item.document["_id"], item.old)
            for item in items
        ]

    async def _replace(self, items: Sequence[Replaced]) -> Sequence[Outcome]:
        with available():
            # A copy may be there already: by an interrupted update or by another writer.
            await insert(self._history, [item.history for item in items])
            if await self._all_replaced(items):
                return [None] * len(items)
            tokens = await self._tokens(items)
        return [
            None
            if tokens.get(item.document["_id"]) == item.document["w"]
            else await self._outcome(item)
            for item in items
        ]

    async def _all_replaced(self, items: Sequence[Replaced]) -> bool:
        """Put each document in the place of the version that it was made for."""
        guarded = [({"_id": item.document["_id"], "v": item.old}, item.document) for item in items]
        return await self._put(self._current, guarded) == len(items)

    async def _put(
        self,
        collection: AsyncCollection[Document],
        pairs: Sequence[tuple[Filter, Document | RawBSONDocument]],
        *,
        upsert: bool = False,
    ) -> int:
        """Put each document in the place of what its filter finds; how many there were."""
        answer: UpdateResult | BulkWriteResult
        try:
            if len(pairs) == 1:  # a tenth less work than as a list of one, as by `insert`
                answer = await collection.replace_one(*pairs[0], upsert=upsert, session=self._mongo)
            else:
                # Not ReplaceOne[Any](...): to call it by its type's parameters costs twice as much.
                replacements: list[ReplaceOne[Any]] = [
                    ReplaceOne(*pair, upsert=upsert) for pair in pairs
                ]
                answer = await collection.bulk_write(
                    replacements, ordered=False, session=self._mongo
                )
        except (WriteError, BulkWriteError) as error:
            raise_too_large(error)
            raise
        return answer.matched_count

    async def _tokens(self, items: Sequence[Replaced]) -> dict[str, int]:
        """The tokens of the writes that are current now, by id."""
        ids = [item.document["_id"] for item in items]
        cursor = self._current.find({"_id": {"$in": ids}}, {"w": 1}, session=self._mongo)
        return {document["_id"]: document["w"] for document in await cursor.to_list()}

    async def _outcome(self, item: Replaced) -> Outcome:
        """Lost, unless ours was replaced in its turn: then its copy has our token."""
        document = item.document
        passed = await self._history.find_one(
            {"_id": history_id(document["_id"], document["v"]), "w": document["w"]}, {"_id": 1}
        )
        return None if passed else lost(self._type, document["_id"], item.old)
