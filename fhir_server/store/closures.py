"""The closure tables that clients keep here: which concepts each one has, and since when.

Document of `closures`: `{_id: name, n, e: [{s, c, n}]}`, `n` the version of the table, `e` its
concepts with the version that brought them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReturnDocument

from fhir_server.errors import NotFound, TooCostly
from fhir_server.store.database import Database, Document, available
from fhir_server.terminology.subsumption import Entry

MOST = 10_000
"""Concepts of one table."""


class Closures:
    """The tables of a database, by the name that the client gave."""

    def __init__(self, database: Database) -> None:
        self._closures = database["closures"]

    async def begin(self, name: str) -> None:
        """An empty table at version 0, whatever the name stood for before."""
        with available():
            await self._closures.replace_one({"_id": name}, {"n": 0, "e": []}, upsert=True)

    async def read(self, name: str) -> tuple[int, list[Entry]]:
        """Version and concepts. Raises NotFound for a name that was not begun."""
        with available():
            row = await self._closures.find_one({"_id": name})
        if row is None:
            raise _unknown(name)
        return _table(row)

    async def add(self, name: str, codes: Sequence[tuple[str, str]]) -> tuple[int, list[Entry]]:
        """Add (system, code); the version that has them, and all concepts.

        Raises NotFound for a name that was not begun, TooCostly for more than `MOST` concepts.
        """
        known = (await self.read(name))[1]
        if len(known) + len(codes) > MOST:
            raise TooCostly(f"A closure table holds {MOST:,} concepts at most; begin another one")
        # One statement computes version and entries, so that two who add at once both count.
        entries = [{"s": system, "c": code} for system, code in dict.fromkeys(codes)]
        fresh = {
            "$filter": {
                "input": {"$literal": entries},
                "as": "new",
                "cond": {
                    "$not": {
                        "$anyElementTrue": {
                            "$map": {
                                "input": "$e",
                                "as": "old",
                                "in": {
                                    "$and": [
                                        {"$eq": ["$$old.s", "$$new.s"]},
                                        {"$eq": ["$$old.c", "$$new.c"]},
                                    ]
                                },
                            }
                        }
                    }
                },
            }
        }
        stamped = {
            "$map": {"input": fresh, "as": "new", "in": {"$mergeObjects": ["$$new", {"n": "$n"}]}}
        }
        steps: list[Document] = [
            {"$set": {"n": {"$add": ["$n", 1]}}},
            {"$set": {"e": {"$concatArrays": ["$e", stamped]}}},
        ]
        with available():
            row = await self._closures.find_one_and_update(
                {"_id": name}, steps, return_document=ReturnDocument.AFTER
            )
        if row is None:
            raise _unknown(name)
        return _table(row)


def _table(row: Document) -> tuple[int, list[Entry]]:
    return row["n"], [Entry(one["s"], one["c"], one["n"]) for one in row["e"]]


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"No closure table '{name[:80]}' was begun; call $closure with the name alone first"
    )
