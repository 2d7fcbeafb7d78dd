"""Inserting the documents of one type, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from fhir_server.store.database import Document, available
from fhir_server.store.indexes import Collections
from fhir_server.store.outcomes import (
    DUPLICATE_KEY,
    UNSTORABLE,
    Outcome,
    apart_when_unstorable,
    duplicate,
    faults,
    unstorable,
)
from fhir_server.store.transaction import Session


class Insertion:
    """Inserts of one type: those of a group each for itself, or all of them in a transaction."""

    def __init__(self, collections: Collections, type_: str) -> None:
        self._collection = collections.current(type_)
        self._type = type_

    async def __call__(self, documents: Sequence[Document]) -> Sequence[Outcome]:
        return await apart_when_unstorable(self._insert, documents, self._type)

    async def _insert(self, documents: Sequence[Document]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = [None] * len(documents)
        with available():
            try:
                await self._collection.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for fault in faults(error):
                    outcomes[fault["index"]] = await self._outcome(documents[fault["index"]])
        return outcomes

    async def _outcome(self, document: Document) -> Outcome:
        """A duplicate may be our own: the driver sends an insert again after a lost connection."""
        found = await self._collection.find_one({"_id": document["_id"]}, {"w": 1})
        if found is not None and found["w"] == document["w"]:
            return None
        return duplicate(self._type, document["_id"])

    async def within(self, documents: Sequence[Document], session: Session) -> None:
        """All of them in the transaction, which has to end where one raises DuplicateId."""
        try:
            await self._collection.insert_many(documents, session=session.mongo)
        except BulkWriteError as error:
            if error.has_error_label("TransientTransactionError"):
                raise
            fault = error.details["writeErrors"][0]
            if fault["code"] != DUPLICATE_KEY:
                raise
            raise duplicate(self._type, documents[fault["index"]]["_id"]) from error
        except UNSTORABLE as error:
            raise unstorable(self._type, error) from error
