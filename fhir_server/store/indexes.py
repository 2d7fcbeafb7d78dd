"""The collections of the store and their indexes, declared in one place.

Every type has two collections, which come into being with the type's first use: a database of a
small practice has thirty, not three hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pymongo import IndexModel
from pymongo.asynchronous.collection import AsyncCollection

from fhir_server.store.database import Database, Document, available

BY_KEY_AND_DATE = "b_d"
BY_RANGE = "r"
BY_UPDATE = "u"

CURRENT: dict[str, Document] = {
    BY_KEY_AND_DATE: {"b": 1, "d": -1, "_id": 1, "e": 1},
    BY_RANGE: {"r.k": 1, "r.lo": 1, "r.hi": 1},
    # One key for each document, not one for each of its keys: what is both rare and sorted by
    # update is found by its key and sorted. Histories need the tombstones here, which have no `b`.
    BY_UPDATE: {"u": -1, "_id": 1},
}
HISTORY: dict[str, Document] = {
    BY_UPDATE: {"u": -1, "i": 1, "v": 1},
}
SUFFIX = "_history"


def models(declared: dict[str, Document]) -> list[IndexModel]:
    """The declaration in the driver's words."""
    return [IndexModel(list(keys.items()), name=name) for name, keys in declared.items()]


class Collections:
    """The collections of resources, each made with its indexes before its first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ready: set[str] = set()
        self._making: dict[str, asyncio.Future[None]] = {}
        self._known: dict[str, AsyncCollection[Document]] = {}

    def current(self, type_: str) -> AsyncCollection[Document]:
        """Where the current versions and the tombstones of a type lie."""
        return self._named(type_)

    def history(self, type_: str) -> AsyncCollection[Document]:
        """Where the versions lie that others replaced."""
        return self._named(type_ + SUFFIX)

    def _named(self, name: str) -> AsyncCollection[Document]:
        # The driver would work its settings out again for every call.
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._database.handle[name]
        return known

    async def types(self) -> list[str]:
        """The types that have collections, sorted."""
        with available():
            names = await self._database.handle.list_collection_names()
        return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))

    async def ensure(self, types: Iterable[str]) -> None:
        """Make the collections of these types unless they are there.

        Always before a transaction touches them: a collection cannot be made safely inside one.
        """
        missing = [type_ for type_ in types if type_ not in self._ready]
        if missing:
            await asyncio.gather(*(self._made(type_) for type_ in missing))

    async def _made(self, type_: str) -> None:
        making = self._making.get(type_)
        if making is None:
            making = self._making[type_] = asyncio.ensure_future(self._make(type_))
        await asyncio.shield(making)

    async def _make(self, type_: str) -> None:
        try:
            with available():
                await self.current(type_).create_indexes(models(CURRENT))
                await self.history(type_).create_indexes(models(HISTORY))
            self._ready.add(type_)
        finally:
            del self._making[type_]
