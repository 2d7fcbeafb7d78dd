"""The store of resources: the one face of this package for the interactions."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from pymongo import ReturnDocument

from fhir_server.access.grant import Filter, Grant
from fhir_server.errors import FhirError, Unavailable
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import Database, Document, available
from fhir_server.store.files import Stored
from fhir_server.store.history import Histories, HistoryPage, HistoryQuery, Place
from fhir_server.store.indexes import Collections
from fhir_server.store.moments import Moments
from fhir_server.store.pages import Page, PageQuery, Pages
from fhir_server.store.reads import Reads
from fhir_server.store.selection import Selections
from fhir_server.store.transaction import Session, Transactions
from fhir_server.store.uploads import Upload
from fhir_server.store.version import Version, VersionConflict
from fhir_server.store.writes import Writes

__all__ = [
    "HistoryPage",
    "HistoryQuery",
    "Page",
    "PageQuery",
    "Place",
    "Session",
    "Store",
    "Version",
    "VersionConflict",
]

Result = TypeVar("Result")

MAX_BLOB_BYTES = 100 * 1024 * 1024


class Store:
    """Resources in a database. Every function that touches them takes the caller's Grant.

    What a grant does not show does not exist: it is NotFound, and not among what is found. All may
    raise Unavailable.
    """

    def __init__(self, database: Database, max_blob_bytes: int = MAX_BLOB_BYTES) -> None:
        self.database = database
        self.collections = Collections(database)
        self.blobs = Blobs(database, self.collections, max_blob_bytes)
        self._reads = Reads(self.collections, self.blobs)
        self._writes = Writes(self.collections, self.blobs)
        moments = Moments(database)
        self._pages = Pages(database, moments, self.collections, self.blobs)
        self.selections = Selections(self.collections, moments)
        self._histories = Histories(self.collections, moments, self.blobs)
        self._transactions = Transactions(database)
        self._last = 0

    def stamp(self) -> int:
        """A lastUpdated for a write: now, in whole milliseconds, as microseconds since 1970 UTC.

        Never earlier than one given before; two writes of one millisecond share it.
        """
        self._last = max(time.time_ns() // 1_000_000 * 1_000, self._last)
        return self._last

    async def read(
        self,
        type_: str,
        id_: str,
        grant: Grant,
        session: Session | None = None,
        *,
        whole: bool = True,
    ) -> Version:
        """The current version. Raises NotFound; Gone where the resource was deleted.

        Not `whole`: a large one comes without its bytes, for `content` to stream.
        """
        return await self._reads.read(type_, id_, grant, session, whole=whole)

    async def whole(self, version: Version) -> Version:
        """The version with all of its bytes."""
        return await self._reads.whole(version)

    async def outlined(self, version: Version) -> Version:
        """The version with all of its bytes, but perhaps the data of a Binary: its `outline`."""
        return await self._reads.outlined(version)

    async def data(self, version: Version) -> Stored | None:
        """The file that has a Binary's data as base64 and nothing else; None where none has."""
        return await self._reads.data(version)

    async def upload(self) -> Upload:
        """A place for the content of a Binary that is too large to be held."""
        return await Upload.begin(self.blobs)

    async def current(
        self,
        type_: str,
        id_: str,
        grant: Grant,
        session: Session | None = None,
        *,
        whole: bool = True,
    ) -> Version | None:
        """The current version with its keys, also a tombstone; None where nothing is shown.

        `whole` as by `read`.
        """
        return await self._reads.current(type_, id_, grant, session, whole=whole)

    async def read_many(
        self,
        references: Sequence[tuple[str, str]],
        grant: Grant,
        session: Session | None = None,
        *,
        tombstones: bool = False,
    ) -> dict[tuple[str, str], Version]:
        """The current versions of (type, id), with their keys; what is not there is left out.

        With `tombstones` as by `current`: also what was deleted.
        """
        return await self._reads.read_many(references, grant, session, tombstones=tombstones)

    async def known(self, type_: str, ids: Iterable[str], grant: Grant) -> set[str]:
        """Those of the ids under which something is, or was, that the grant shows."""
        return await self._reads.known(type_, ids, grant)

    async def vread(
        self,
        type_: str,
        id_: str,
        version: int,
        grant: Grant,
        session: Session | None = None,
        *,
        whole: bool = True,
    ) -> Version:
        """One version; `whole` as by `read`. Raises NotFound; Gone for the deletion itself."""
        return await self._reads.vread(type_, id_, version, grant, session, whole=whole)

    def content(self, version: Version) -> AsyncIterator[bytes]:
        """The bytes of a version in parts."""
        return self._reads.content(version)

    async def insert(
        self, versions: Sequence[Version], grant: Grant, session: Session | None = None
    ) -> None:
        """Store new resources. Raises DuplicateId, Forbidden, TooLarge."""
        await self._writes.insert(versions, grant, session)

    async def insert_all(
        self, versions: Sequence[Version], grant: Grant
    ) -> Sequence[FhirError | None]:
        """Store many new resources together: the error of each, or None."""
        return await self._writes.insert_all(versions, grant)

    async def replace(
        self, new: Version, old: Version, grant: Grant, session: Session | None = None
    ) -> None:
        """Put `new`, a deletion too, in the place of `old`. Raises VersionConflict, Forbidden."""
        await self._writes.replace(new, old, grant, session)

    async def replace_all(
        self, pairs: Sequence[tuple[Version, Version]], grant: Grant, session: Session
    ) -> Sequence[FhirError | None]:
        """Replace in a transaction, many (new, old) at once: the error of each, or None.

        Where there is an error the transaction must end.
        """
        return await self._writes.replace_all(pairs, grant, session)

    async def page(self, query: PageQuery, grant: Grant, session: Session | None = None) -> Page:
        """One page of a search. Raises TooCostly when it took too long."""
        return await self._pages.page(query, grant, session)

    async def count(
        self,
        type_: str,
        filter_: Filter,
        grant: Grant,
        session: Session | None = None,
        at_cluster_time: int | None = None,
    ) -> int:
        """How many resources of the type meet the filter."""
        return await self._pages.count(type_, filter_, grant, session, at_cluster_time)

    def stream(self, type_: str, filter_: Filter, grant: Grant) -> AsyncIterator[Version]:
        """All that meet the filter, with their keys, in the order of their ids."""
        return self._pages.stream(type_, filter_, grant)

    async def explain(self, query: PageQuery, grant: Grant) -> Document:
        """How MongoDB carries out a page: `indexes`, `stages`, and what was examined."""
        return await self._pages.explain(query, grant)

    async def history(
        self, query: HistoryQuery, grant: Grant, session: Session | None = None
    ) -> HistoryPage:
        """One page of the versions of a resource, a type or the system. Raises NotFound."""
        return await self._histories.history(query, grant, session)

    async def transaction(
        self, callback: Callable[[Session], Awaitable[Result]], types: Iterable[str] = ()
    ) -> Result:
        """Run the callback in a transaction; it runs again when others were in the way.

        `types` are those that it will touch, as far as they are known: a type's first use inside
        costs another run. Raises what the callback raises, and then nothing is kept; Unavailable
        when the others do not cease.
        """
        await self.collections.ensure(types)
        return await self._transactions.run(callback)

    async def claim(self, key: str, session: Session) -> None:
        """Keep all others that claim the same key out until the end of this transaction."""
        await self._transactions.claim(key, session)

    async def secret(self, name: str) -> bytes:
        """32 random bytes under a name, the same for all processes on this database."""
        fresh = {"$setOnInsert": {"value": secrets.token_bytes(32)}}
        with available():
            found = await self.database["settings"].find_one_and_update(
                {"_id": f"secret:{name}"}, fresh, upsert=True, return_document=ReturnDocument.AFTER
            )
        return bytes(found["value"]) if found else b""

    async def ping(self) -> bool:
        """Whether the database answers and takes writes."""
        try:
            with available():
                hello = await self.database.client.admin.command("hello")
        except Unavailable:
            return False
        return bool(hello.get("isWritablePrimary"))

    async def types(self) -> list[str]:
        """The types of which something was ever stored, sorted."""
        return await self.collections.types()
