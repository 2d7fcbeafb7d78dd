"""A loaded code system asked by the terminology: its questions as queries of MongoDB."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import ExecutionTimeout, PyMongoError

from fhir_server.errors import TooCostly, Unprocessable
from fhir_server.store.database import Document, available, raise_unavailable
from fhir_server.terminology.code_system import Filter, Head, Query
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.filters import CODE, check, split
from fhir_server.terminology.patterns import compiled

MILLISECONDS = 3_000
"""How long MongoDB may look for the answer to one question."""

QUICK = 5
"""How long it may count what meets words; nobody waits for a total while typing."""

BY_WORD = "s_f"
_DEFAULT_FALSE = frozenset(("inactive", "notSelectable"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of a code system that was loaded; `key` is what its concepts carry."""

    key: str
    head: Head
    count: int


class StoredCodeSystem:
    """A loaded code system as the terminology package asks it."""

    listed = True

    def __init__(self, collection: Any, loaded: Loaded) -> None:
        self._collection = collection
        self._key = loaded.key
        self.head = loaded.head

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """As `CodeSystem.find`."""
        caseless = not self.head.case_sensitive
        ids = {concept_id(self._key, code, caseless): code for code in codes}
        with available():
            rows = await self._collection.find({"_id": {"$in": list(ids)}}).to_list()
        return {ids[row["_id"]]: _concept(row) for row in rows}

    async def select(self, query: Query) -> AsyncIterator[Concept]:
        """As `CodeSystem.select`: by words in the order of the words, else by code."""
        filter_ = await self._filter(query)
        cursor = self._collection.find(filter_).max_time_ms(MILLISECONDS)
        if query.words:
            cursor = cursor.hint(BY_WORD)
        else:
            cursor = cursor.sort("c" if len(filter_) > 1 else "_id", 1)
        cursor = cursor.skip(query.skip).limit(query.limit or 0)
        try:
            async for row in cursor:
                yield _concept(row)
        except ExecutionTimeout:
            raise self._slow() from None
        except PyMongoError as error:
            raise_unavailable(error)
            raise

    async def count(self, query: Query, most: int) -> int:
        """As `CodeSystem.count`; what meets words is counted as long as that is quick."""
        options: dict[str, Any] = {"hint": BY_WORD, "maxTimeMS": QUICK} if query.words else {}
        filter_ = await self._filter(query)
        try:
            found: int = await self._collection.count_documents(
                filter_, limit=most + 1, **{"maxTimeMS": MILLISECONDS, **options}
            )
        except ExecutionTimeout:
            if query.words:
                return most + 1
            raise self._slow() from None
        except PyMongoError as error:
            raise_unavailable(error)
            raise
        return found

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """As `CodeSystem.ancestors`; they came with the concept."""
        return frozenset(concept.above) - {concept.code}

    async def children(self, code: str) -> list[str]:
        """As `CodeSystem.children`."""
        query = {"s": self._key, "p": code}
        with available():
            rows = await self._collection.find(query, {"c": 1}).sort("c", 1).limit(1000).to_list()
        return [row["c"] for row in rows]

    def _slow(self) -> TooCostly:
        return TooCostly(
            f"A look through {self.head.url} takes too long; give a longer filter or a smaller set"
        )

    async def _filter(self, query: Query) -> Document:
        every = [await self._condition(one) for one in query.filters]
        if query.active_only:
            every.append({"x": {"$exists": False}})
        words = sorted(query.words, key=len, reverse=True)
        every += [{"f": {"$regex": f"^{re.escape(word)}"}} for word in words[1:]]
        if words:
            found: Document = {"s": self._key, "f": {"$regex": f"^{re.escape(words[0])}"}}
        elif every:
            found = {"s": self._key}
        else:
            found = {"_id": {"$gte": f"{self._key}|", "$lt": f"{self._key}}}"}}
        return {**found, "$and": every} if every else found

    async def _condition(self, one: Filter) -> Document:
        """The condition of one filter; what is meant is as in `terminology.filters`."""
        check(self, one)
        match one.op:
            case "is-a":
                return {"a": one.value}
            case "descendent-of":
                return {"a": one.value, "c": {"$ne": one.value}}
            case "is-not-a":
                return {"a": {"$ne": one.value}}
            case "generalizes":
                found = await self.find((one.value,))
                above = found[one.value].above if one.value in found else ()
                return {"c": {"$in": [one.value, *above]}}
            case "regex":
                return _regex(one)
            case "exists":
                return _exists(one)
            case "in":
                return await self._among(one.property, sorted(split(one.value)))
            case "not-in":
                return {"$nor": [await self._among(one.property, sorted(split(one.value)))]}
        return await self._among(one.property, [one.value])

    async def _among(self, property_: str, wanted: list[str]) -> Document:
        if property_ in CODE:
            caseless = not self.head.case_sensitive
            return {"_id": {"$in": [concept_id(self._key, code, caseless) for code in wanted]}}
        if property_ == "child":
            found = await self.find(wanted)
            return {"c": {"$in": sorted({p for one in found.values() for p in one.parents})}}
        if property_ == "designation":
            return {"des": {"$elemMatch": {"0": {"$in": wanted}}}}
        if field := _FIELDS.get(property_):
            return {field: {"$in": wanted}}
        condition: Document = {"q": {"$in": [f"{property_}={value}" for value in wanted]}}
        if property_ in _DEFAULT_FALSE and "false" in wanted:
            absent = {"q": {"$not": {"$regex": f"^{re.escape(property_)}="}}}
            return {"$or": [condition, absent]}
        return condition


_FIELDS = {"display": "d", "definition": "n", "parent": "p"}


def _regex(one: Filter) -> Document:
    compiled(one.value)  # refuses what is no pattern, or one without bounds
    pattern = f"(?:{one.value})$"
    if one.property in CODE:
        return {"c": {"$regex": f"^{pattern}"}}
    if one.property == "child":
        raise Unprocessable("A regex on child is not evaluated here", code="not-supported")
    if one.property == "designation":
        return {"des": {"$elemMatch": {"0": {"$regex": f"^{pattern}"}}}}
    if field := _FIELDS.get(one.property):
        return {field: {"$regex": f"^{pattern}"}}
    return {"q": {"$regex": f"^{re.escape(one.property)}={pattern}"}}


def _exists(one: Filter) -> Document:
    there = one.value == "true"
    if one.property in CODE:
        return {} if there else {"c": {"$exists": False}}
    if one.property == "child":
        raise Unprocessable("exists on child is not evaluated here", code="not-supported")
    if field := {**_FIELDS, "designation": "des"}.get(one.property):
        return {field: {"$exists": there}}
    pattern = {"$regex": f"^{re.escape(one.property)}="}
    return {"q": pattern if there else {"$not": pattern}}


def concept_id(key: str, code: str, caseless: bool) -> str:
    """The `_id` of a concept's document."""
    return f"{key}|{code.lower() if caseless else code}"


def _concept(row: Document) -> Concept:
    return Concept(
        row["c"],
        row.get("d", ""),
        row.get("n", ""),
        tuple(row.get("p", ())),
        tuple(Property(*one) for one in row.get("props", ())),
        tuple(Designation(*one) for one in row.get("des", ())),
        tuple(row["a"]),
    )
