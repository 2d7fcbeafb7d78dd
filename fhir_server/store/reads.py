"""Reading single versions. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import bson
import msgspec
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.errors import Gone, NotFound
from fhir_server.store.blobs import Blobs
from fhir_server.store.database import Document, available
from fhir_server.store.files import Stored
from fhir_server.store.groups import Group
from fhir_server.store.indexes import Collections
from fhir_server.store.permission import WRITABLE, both, judged, shown
from fhir_server.store.transaction import Session, each
from fhir_server.store.version import KEPT, SHOWN, Version, history_id, parse, parse_stored


class _Wanted(msgspec.Struct, frozen=True):
    """One caller's wish; `free` where the grant demands nothing of the resource."""

    id: str
    actions: tuple[Action, ...]
    grant: Grant
    free: bool


class Reads:
    """Reads by id. Those outside a transaction are coalesced: one query per type at a time."""

    def __init__(self, collections: Collections, blobs: Blobs) -> None:
        self._collections = collections
        self._blobs = blobs
        self._groups: dict[tuple[str, bool], Group[_Wanted, Version | None]] = {}

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
        version = await self._version(type_, id_, grant, (Action.READ,), session)
        if version is None:
            raise not_found(type_, id_)
        if version.deleted:
            number = version.version
            raise Gone(
                f"{type_}/{id_} was deleted; its last version before that is {number - 1}",
                headers=[("ETag", f'W/"{number}"')],
            )
        return await self.whole(version) if whole else version

    async def current(
        self,
        type_: str,
        id_: str,
        grant: Grant,
        session: Session | None = None,
        *,
        whole: bool = True,
    ) -> Version | None:
        """The current version, to be replaced, also a tombstone; None where nothing is shown.

        Shown is what the grant permits to read, to update or to delete. Not `whole`: a large one
        comes without its bytes.
        """
        version = await self._version(type_, id_, grant, WRITABLE, session, stored=True)
        return await self.whole(version) if version is not None and whole else version

    async def read_many(
        self,
        references: Sequence[tuple[str, str]],
        grant: Grant,
        session: Session | None = None,
        *,
        tombstones: bool = False,
    ) -> dict[tuple[str, str], Version]:
        """The current versions of (type, id), with their keys; what is not there is left out.

        With `tombstones` as by `current`: to be replaced, also what was deleted, and shown is what
        may be written.
        """
        by_type: dict[str, set[str]] = {}
        for type_, id_ in references:
            by_type.setdefault(type_, set()).add(id_)
        found: dict[tuple[str, str], Version] = {}

        def of_type(type_: str) -> Awaitable[list[Version]]:
            return self._of_type(type_, by_type[type_], grant, session, tombstones)

        for answer in await each(session, of_type, by_type):
            for version in answer:
                found[version.type, version.id] = version
        return found

    async def known(self, type_: str, ids: Iterable[str], grant: Grant) -> set[str]:
        """Those of the ids under which something is, or was, that the grant shows."""
        guard = shown(grant, type_, *WRITABLE, tombstones=True)
        query = both({"_id": {"$in": sorted(ids)}}, guard)
        with available():
            found = await self._collections.current(type_).find(query, {"_id": 1}).to_list()
        return {document["_id"] for document in found}

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
        """One version. Raises NotFound; Gone where that version is the deletion.

        What the grant does not show as it is now, it shows no past version of. `whole` as by
        `read`.
        """
        guard = shown(grant, type_, Action.READ, tombstones=True)
        past = shown(grant, type_, Action.READ, tombstones=True, history=True)
        mongo = session.mongo if session else None
        if session:
            await self._collections.ensure([type_])
        with available():
            # The current one first: between the two looks a version moves only from here to there.
            document = await self._collections.current(type_).find_one(
                both({"_id": id_}, guard), KEPT, session=mongo
            )
            if document is not None and document["v"] != version:
                document = await self._collections.history(type_).find_one(
                    both({"_id": history_id(id_, version)}, past), KEPT, session=mongo
                )
        if document is None or (
            grant.judges and not judged(grant, type_, document, (Action.READ,))
        ):
            raise NotFound(f"{type_}/{id_} has no version {version}")
        if "x" in document:
            raise Gone(f"{type_}/{id_} was deleted by version {version}")
        found = parse(type_, document)
        return await self.whole(found) if whole else found

    async def content(self, version: Version) -> AsyncIterator[bytes]:
        """The bytes of a version in parts."""
        if version.blob is None or version.raw:
            yield version.raw
            return
        async for part in self._blobs.content(version.blob):
            yield part

    async def whole(self, version: Version) -> Version:
        """The version with all of its bytes."""
        return await self._blobs.whole(version)

    async def outlined(self, version: Version) -> Version:
        """The version with at least its outline, fetched where that lies in the file too."""
        return version if version.outline else await self._blobs.whole(version)

    async def data(self, version: Version) -> Stored | None:
        """The file that has a Binary's data and nothing else; None where there is none.

        It is base64 without blanks; `metadata["size"]` is the number of bytes that it means.
        """
        if version.raw or version.blob is None or not version.blob.outline:
            return None
        return await self._blobs.files.open(version.blob.file)

    async def _version(
        self,
        type_: str,
        id_: str,
        grant: Grant,
        actions: tuple[Action, ...],
        session: Session | None,
        *,
        stored: bool = False,
    ) -> Version | None:
        parts = [grant.filter(type_, action) for action in actions]
        if all(part is NOTHING for part in parts):
            return None
        free = not all(parts)
        if session is not None:
            await self._collections.ensure([type_])
            query = _Query(self._collections, type_, stored, session)
            return (await query([_Wanted(id_, actions, grant, free)]))[0]
        group = self._groups.get((type_, stored))
        if group is None:
            group = Group(_Query(self._collections, type_, stored))
            self._groups[type_, stored] = group
        return await group.submit(_Wanted(id_, actions, grant, free))

    async def _of_type(
        self,
        type_: str,
        ids: set[str],
        grant: Grant,
        session: Session | None,
        tombstones: bool,
    ) -> list[Version]:
        actions = WRITABLE if tombstones else (Action.READ,)
        guard = shown(grant, type_, *actions, tombstones=tombstones)
        if guard is NOTHING:
            return []
        if session is not None:
            await self._collections.ensure([type_])
        wanted: Filter = {"_id": {"$in": sorted(ids)}}
        if not tombstones:
            wanted["x"] = {"$exists": False}
        source = _Source(self._collections, type_, stored=tombstones)
        found = await source.find(both(wanted, guard), KEPT, session)
        return [
            await self.whole(version)
            for version, document in found
            if not grant.judges or judged(grant, type_, _fields(document), actions)
        ]


class _Source:
    """The current versions of one type; `stored` where they are read to be replaced."""

    def __init__(self, collections: Collections, type_: str, stored: bool) -> None:
        collection = collections.current(type_)
        self._collection: AsyncCollection[Any] = (
            collection.with_options(DEFAULT_RAW_BSON_OPTIONS) if stored else collection
        )
        self._parse: Callable[[str, Any], Version] = parse_stored if stored else parse
        self._type = type_

    async def find(
        self, query: Filter, fields: Document, session: Session | None
    ) -> list[tuple[Version, Mapping[str, Any]]]:
        """The versions that meet the query, each with its document."""
        with available():
            cursor = self._collection.find(
                query, fields, session=session.mongo if session else None
            )
            documents = await cursor.to_list()
        return [(self._parse(self._type, document), document) for document in documents]


class _Query:
    """One query for many callers, by id alone: each caller's own grant decides on what came."""

    def __init__(
        self, collections: Collections, type_: str, stored: bool, session: Session | None = None
    ) -> None:
        self._source = _Source(collections, type_, stored)
        self._type = type_
        self._fields = KEPT if stored else SHOWN
        self._session = session

    async def __call__(self, wanted: Sequence[_Wanted]) -> list[Version | None]:
        ids = {one.id for one in wanted}
        query = {"_id": ids.pop() if len(ids) == 1 else {"$in": list(ids)}}
        fields = self._fields
        for one in wanted:
            if not one.free:
                for action in one.actions:
                    fields = fields | one.grant.fields(self._type, action)
        found = await self._source.find(query, fields, self._session)
        by_id = {version.id: (version, document) for version, document in found}
        return [self._shown_to(one, *by_id.get(one.id, (None, {}))) for one in wanted]

    def _shown_to(
        self, one: _Wanted, version: Version | None, document: Mapping[str, Any]
    ) -> Version | None:
        if version is None or one.free:
            return version
        seen = judged(one.grant, self._type, _fields(document), one.actions)
        return version if seen else None


def _fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with its fields decoded."""
    return bson.decode(document.raw) if isinstance(document, RawBSONDocument) else document


def not_found(type_: str, id_: str) -> NotFound:
    """The error for what does not exist, or does not for this caller."""
    return NotFound(f"{type_}/{id_} does not exist")
