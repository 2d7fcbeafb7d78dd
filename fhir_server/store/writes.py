"""Writing versions: the keys go with the resource, in the same operation.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DocumentTooLarge

from fhir_server.access.grant import Action, Grant
from fhir_server.errors import DuplicateId, FhirError, TooLarge, Unprocessable
from fhir_server.store.blobs import LARGE, Blobs
from fhir_server.store.database import Document, available
from fhir_server.store.groups import Group
from fhir_server.store.indexes import Collections
from fhir_server.store.permission import BY_METHOD, demand
from fhir_server.store.transaction import Session
from fhir_server.store.version import (
    Version,
    VersionConflict,
    current_document,
    history_document,
    history_id,
)

Item = TypeVar("Item")
Outcome = FhirError | None

LOT = 1_000
"""How many documents one command of a transaction carries."""

LANES = 4
CROWD = 16
"""Calls under way at once per type: MongoDB builds the indexes of each on a core of its own. But
the driver's work is in the number of calls: each further one is for so many that wait for it."""

DUPLICATE_KEY = 11000
UNSTORABLE = (BSONError, DocumentTooLarge, OverflowError, UnicodeError)


class _Replacement(NamedTuple):
    history: RawBSONDocument
    document: Document
    old: int


class Writes:
    """Inserts and guarded replacements. Those outside a transaction are coalesced per type."""

    def __init__(self, collections: Collections, blobs: Blobs) -> None:
        self._collections = collections
        self._blobs = blobs
        self._inserts: dict[str, Group[Document, None]] = {}
        self._replacements: dict[str, Group[_Replacement, None]] = {}

    async def insert(
        self, versions: Sequence[Version], grant: Grant, session: Session | None = None
    ) -> None:
        """Store resources that are new. Raises DuplicateId, Forbidden, TooLarge.

        Without a session each is stored for itself: the first error is raised after all are done.
        """
        for version in versions:
            demand(grant, BY_METHOD[version.method], version)
        await self._collections.ensure({version.type for version in versions})
        if len(versions) == 1 and session is None:
            version = await self._with_blob(versions[0])
            await self._inserting(version.type).submit(current_document(version))
            return
        if session is None:
            waiting = [
                self._inserting(version.type).submit(
                    current_document(await self._with_blob(version))
                )
                for version in versions
            ]
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            for error in errors:
                if error is not None:
                    raise error
            return
        await self._insert_within(versions, session)

    async def replace(
        self, new: Version, old: Version, grant: Grant, session: Session | None = None
    ) -> None:
        """Put `new` (a deletion too) in the place of `old`, which goes to the history.

        Raises VersionConflict when `old` is no longer the current version, Forbidden when the
        grant does not permit it on the resource as it was and as it becomes.
        """
        action = Action.DELETE if new.deleted else Action.UPDATE
        demand(grant, action, old)
        if not new.deleted:
            demand(grant, action, new)
        await self._collections.ensure([new.type])
        new = await self._with_blob(new)
        history, document = history_document(old), current_document(new, old)
        if session is None:
            group = self._replacements.get(new.type)
            if group is None:
                group = Group(_Replace(self._collections, new.type), lanes=LANES, crowd=CROWD)
                self._replacements[new.type] = group
            await group.submit(_Replacement(history, document, old.version))
            return
        # An interrupted update may have left the copy: inside a transaction a duplicate would end
        # it, so the copy is written over.
        await self._collections.history(new.type).replace_one(
            {"_id": history["_id"]}, history, upsert=True, session=session.mongo
        )
        answer = await self._collections.current(new.type).replace_one(
            {"_id": new.id, "v": old.version}, document, session=session.mongo
        )
        if answer.matched_count != 1:
            raise lost(new.type, new.id, old.version)

    async def _insert_within(self, versions: Sequence[Version], session: Session) -> None:
        by_type: dict[str, list[Document]] = {}
        for version in versions:
            stored = await self._with_blob(version)
            by_type.setdefault(version.type, []).append(current_document(stored))
        for type_, documents in by_type.items():
            collection = self._collections.current(type_)
            for first in range(0, len(documents), LOT):
                try:
                    await collection.insert_many(
                        documents[first : first + LOT], session=session.mongo
                    )
                except BulkWriteError as error:
                    if error.has_error_label("TransientTransactionError"):
                        raise
                    fault = error.details["writeErrors"][0]
                    if fault["code"] != DUPLICATE_KEY:
                        raise
                    raise duplicate(type_, documents[first + fault["index"]]["_id"]) from error
                except UNSTORABLE as error:
                    raise unstorable(type_, error) from error

    async def _with_blob(self, version: Version) -> Version:
        if len(version.raw) <= LARGE:
            return version
        return await self._blobs.put(version)

    def _inserting(self, type_: str) -> Group[Document, None]:
        group = self._inserts.get(type_)
        if group is None:
            group = self._inserts[type_] = Group(
                _Insert(self._collections, type_), lanes=LANES, crowd=CROWD
            )
        return group


class _Insert:
    def __init__(self, collections: Collections, type_: str) -> None:
        self._collection = collections.current(type_)
        self._type = type_

    async def __call__(self, documents: Sequence[Document]) -> Sequence[Outcome]:
        return await _apart_when_unstorable(self._insert, documents, self._type)

    async def _insert(self, documents: Sequence[Document]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = [None] * len(documents)
        with available():
            try:
                await self._collection.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for fault in _faults(error):
                    outcomes[fault["index"]] = await self._outcome(documents[fault["index"]])
        return outcomes

    async def _outcome(self, document: Document) -> Outcome:
        """A duplicate may be our own: the driver sends an insert again after a lost connection."""
        found = await self._collection.find_one({"_id": document["_id"]}, {"w": 1})
        if found is not None and found["w"] == document["w"]:
            return None
        return duplicate(self._type, document["_id"])


class _Replace:
    def __init__(self, collections: Collections, type_: str) -> None:
        self._current = collections.current(type_)
        self._history = collections.history(type_)
        self._type = type_

    async def __call__(self, items: Sequence[_Replacement]) -> Sequence[Outcome]:
        return await _apart_when_unstorable(self._replace, items, self._type)

    async def _replace(self, items: Sequence[_Replacement]) -> Sequence[Outcome]:
        with available():
            try:
                await self._history.insert_many([item.history for item in items], ordered=False)
            except BulkWriteError as error:
                # The same version copied before: by an interrupted update or by another writer.
                _faults(error)
            answer = await self._current.bulk_write(
                [
                    ReplaceOne({"_id": item.document["_id"], "v": item.old}, item.document)
                    for item in items
                ],
                ordered=False,
            )
            if answer.matched_count == len(items):
                return [None] * len(items)
            ids = [item.document["_id"] for item in items]
            cursor = self._current.find({"_id": {"$in": ids}}, {"w": 1})
            tokens = {document["_id"]: document["w"] for document in await cursor.to_list()}
        return [
            None
            if tokens.get(item.document["_id"]) == item.document["w"]
            else await self._outcome(item)
            for item in items
        ]

    async def _outcome(self, item: _Replacement) -> Outcome:
        """Lost, unless ours was replaced in its turn: then its copy has our token."""
        document = item.document
        passed = await self._history.find_one(
            {"_id": history_id(document["_id"], document["v"]), "w": document["w"]}, {"_id": 1}
        )
        return None if passed else lost(self._type, document["_id"], item.old)


async def _apart_when_unstorable(
    run: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
    items: Sequence[Item],
    type_: str,
) -> Sequence[Outcome]:
    """The outcomes of a group; one member that cannot be stored does not fail the others."""
    try:
        return await run(items)
    except UNSTORABLE as error:
        if len(items) == 1:
            return [unstorable(type_, error)]
        outcomes: list[Outcome] = []
        for item in items:
            outcomes += await _apart_when_unstorable(run, [item], type_)
        return outcomes


def _faults(error: BulkWriteError) -> list[dict[str, Any]]:
    """The duplicates among the faults of a bulk; any other fault is raised."""
    faults: list[dict[str, Any]] = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(
        fault["code"] != DUPLICATE_KEY for fault in faults
    ):
        raise error
    return faults


def duplicate(type_: str, id_: str) -> DuplicateId:
    """The error for an id that is taken."""
    return DuplicateId(f"{type_}/{id_} exists already")


def lost(type_: str, id_: str, version: int) -> VersionConflict:
    """The error for a write whose base is no longer current."""
    return VersionConflict(f"{type_}/{id_} is no longer at version {version}")


def unstorable(type_: str, error: Exception) -> FhirError:
    """The error for content that no MongoDB document can hold."""
    if isinstance(error, DocumentTooLarge):
        return TooLarge(f"The search keys of this {type_} are too many")
    return Unprocessable(f"This {type_} cannot be stored: {error}")
