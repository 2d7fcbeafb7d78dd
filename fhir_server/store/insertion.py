"""Inserting the documents of one type, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from fhir_server.store.database import Document, available
from fhir_server.store.indexes import Collections
from fhir_server.store.outcomes import (
    UNSTORABLE,
    Outcome,
    apart_when_unstorable,
    duplicate,
    faults,
    raise_too_large,
    unstorable,
)
from fhir_server.store.transaction import Session

TOGETHER = 640 * 1024
"""So many bytes, each key counted as KEY, are within the 16 MB of a command whatever the keys are:
twice the longest, as the index has most of them too, is 24 times KEY."""

KEY = 200


async def insert(
    collection: AsyncCollection[Document],
    documents: Sequence[Document | RawBSONDocument],
    mongo: AsyncClientSession | None = None,
) -> list[int]:
    """Insert them; the places of those whose id is taken, in a transaction the first one's."""
    try:
        if len(documents) == 1:
            # Without the accounts that the driver keeps of many it costs a tenth less.
            await collection.insert_one(documents[0], session=mongo)
        elif mongo is not None and sum(map(_weight, documents)) <= TOGETHER:
            await _insert_together(collection, documents, mongo)
        else:
            await collection.insert_many(documents, ordered=mongo is not None, session=mongo)
    except (WriteError, BulkWriteError) as error:
        if error.has_error_label("TransientTransactionError"):
            raise
        if isinstance(error, DuplicateKeyError):
            return [0]
        raise_too_large(error)
        if isinstance(error, WriteError):
            raise
        return [fault["index"] for fault in faults(error)]
    return []


async def _insert_together(
    collection: AsyncCollection[Document],
    documents: Sequence[Document | RawBSONDocument],
    mongo: AsyncClientSession,
) -> None:
    """In one command, without the driver's accounts: they are for what it may send once more.

    In a transaction it sends nothing a second time. What follows the first that fails is not tried.
    """
    command = {"insert": collection.name, "documents": list(documents)}
    answer = await collection.database.command(command, session=mongo)
    if "writeErrors" in answer:
        raise BulkWriteError(answer)


def _weight(document: Document | RawBSONDocument) -> int:
    if isinstance(document, RawBSONDocument):
        return len(document.raw)
    keys = len(document.get("k", ())) + len(document.get("r", ()))
    return len(document.get("raw", b"")) + KEY * keys


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
            for at in await insert(self._collection, documents):
                outcomes[at] = await self._outcome(documents[at])
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
            taken = await insert(self._collection, documents, session.mongo)
        except UNSTORABLE as error:
            raise unstorable(self._type, error) from error
        if taken:
            raise duplicate(self._type, documents[taken[0]]["_id"])
