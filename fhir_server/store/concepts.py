"""The concepts of large code systems, in a collection of their own.

Document: `{_id: "s|code", s, c, d, n, f, p, a, q, props, des, x}`. `s` is the load that brought it
(one version of one code system), `c` the code, `d` display, `n` definition, `f` the folded words
that a text filter looks through, `p` parents, `a` the code itself and all its ancestors, `q` its
properties as `code=value`, `props` and `des` properties and designations as they were, `x` is there
where it is inactive. A load is not seen before it is whole; then it takes the place of the one
before at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, IndexModel, WriteConcern
from pymongo.errors import ExecutionTimeout, PyMongoError

from fhir_server.errors import TooCostly, Unprocessable
from fhir_server.store import lease
from fhir_server.store.database import Database, Document, available, raise_unavailable
from fhir_server.terminology.code_system import Filter, Head, Query
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.filters import CODE, check, split
from fhir_server.terminology.patterns import compiled
from fhir_server.terminology.releases import Release

LOT = 2_000
MILLISECONDS = 3_000
"""How long MongoDB may look for the answer to one question."""

QUICK = 5
"""How long it may count what meets words; nobody waits for a total while typing."""

BY_WORD = "s_f"
INDEXES = (
    IndexModel([("s", ASCENDING), ("f", ASCENDING)], name=BY_WORD),
    IndexModel([("s", ASCENDING), ("a", ASCENDING), ("c", ASCENDING)], name="s_a_c"),
    IndexModel([("s", ASCENDING), ("q", ASCENDING), ("c", ASCENDING)], name="s_q_c"),
    IndexModel([("s", ASCENDING), ("p", ASCENDING), ("c", ASCENDING)], name="s_p_c"),
)
_DEFAULT_FALSE = frozenset(("inactive", "notSelectable"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of a code system that was loaded; `key` is what its concepts carry."""

    key: str
    head: Head
    count: int


class Concepts:
    """The loaded code systems of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._concepts = database["concepts"]
        self._systems = database["code_systems"]

    async def systems(self, url: str | None = None) -> list[Loaded]:
        """The versions that are loaded of a code system; without `url`, of all."""
        query: Document = {"whole": True} if url is None else {"url": url, "whole": True}
        with available():
            rows = await self._systems.find(query).to_list()
        return [_loaded(row) for row in rows]

    def open(self, loaded: Loaded) -> StoredCodeSystem:
        """A loaded code system, to be asked."""
        return StoredCodeSystem(self._concepts, loaded)

    async def load(self, release: Release, progress: Callable[[int, int], None]) -> Loaded:
        """Load a release, in the place of the same version of it; `progress` gets (done, total).

        Raises Unavailable while another process loads, and what reading the release raises.
        """
        async with lease.held(self._database, "terminology", 5):
            with available():
                await self._concepts.create_indexes(list(INDEXES))
            await self._sweep()
            key, head = secrets.token_hex(4), release.head
            name = head.canonical
            loading = {"_id": f"loading:{key}", "url": head.url, "key": key, "whole": False}
            with available():
                await self._systems.insert_one(loading)
            count = await self._fill(key, release, progress)
            row = _row(name, key, head, count)
            with available():
                before = await self._systems.find_one_and_replace({"_id": name}, row, upsert=True)
                await self._systems.delete_one({"_id": loading["_id"]})
                if before:
                    await self._concepts.delete_many({"s": before["key"]})
            return Loaded(key, head, count)

    async def remove(self, url: str, version: str) -> bool:
        """Take a loaded version away; whether there was one."""
        name = f"{url}|{version}" if version else url
        with available():
            before = await self._systems.find_one_and_delete({"_id": name})
            if before:
                await self._concepts.delete_many({"s": before["key"]})
        return before is not None

    async def _fill(self, key: str, release: Release, progress: Callable[[int, int], None]) -> int:
        quick = self._concepts.with_options(write_concern=WriteConcern(1))
        caseless = not release.head.case_sensitive
        lot: list[Document] = []
        done = 0
        for concept in release.concepts():
            lot.append(_document(key, concept, release.ancestors(concept), caseless))
            if len(lot) == LOT:
                await self._insert(quick, lot)
                done += len(lot)
                progress(done, release.total)
                lot = []
        if lot:
            await self._insert(quick, lot)
        done += len(lot)
        progress(done, max(done, release.total))
        return done

    async def _insert(self, collection: Any, lot: list[Document]) -> None:
        unique = {document["_id"]: document for document in lot}
        with available():
            await collection.insert_many(list(unique.values()), ordered=False)

    async def _sweep(self) -> None:
        """Take away what loads left that did not come to their end."""
        with available():
            for row in await self._systems.find({"whole": False}).to_list():
                await self._concepts.delete_many({"s": row["key"]})
                await self._systems.delete_one({"_id": row["_id"]})


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
        ids = {_id(self._key, code, caseless): code for code in codes}
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
            return {"_id": {"$in": [_id(self._key, code, caseless) for code in wanted]}}
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


def _id(key: str, code: str, caseless: bool) -> str:
    return f"{key}|{code.lower() if caseless else code}"


def _document(key: str, concept: Concept, above: Sequence[str], caseless: bool) -> Document:
    found: Document = {
        "_id": _id(key, concept.code, caseless),
        "s": key,
        "c": concept.code,
        "f": concept.words(),
        "a": [concept.code, *above],
    }
    if concept.display:
        found["d"] = concept.display
    if concept.definition:
        found["n"] = concept.definition
    if concept.parents:
        found["p"] = list(concept.parents)
    if concept.properties:
        found["q"] = [f"{one.code}={one.text}" for one in concept.properties]
        found["props"] = [[one.code, one.kind, one.value] for one in concept.properties]
    if concept.designations:
        found["des"] = [[one.value, one.language, one.use] for one in concept.designations]
    if concept.inactive:
        found["x"] = True
    return found


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


def _row(name: str, key: str, head: Head, count: int) -> Document:
    return {
        "_id": name,
        "key": key,
        "url": head.url,
        "version": head.version,
        "name": head.name,
        "title": head.title,
        "language": head.language,
        "content": head.content,
        "case_sensitive": head.case_sensitive,
        "hierarchy": head.hierarchy,
        "properties": list(head.properties.items()),
        "filters": sorted(head.filters or ()),
        "count": count,
        "whole": True,
    }


def _loaded(row: Document) -> Loaded:
    head = Head(
        row["url"],
        row["version"],
        row["name"],
        row["title"],
        row["language"],
        row["content"],
        row["case_sensitive"],
        row["hierarchy"],
        dict(row["properties"]),
        frozenset(row["filters"]),
    )
    return Loaded(row["key"], head, row["count"])
