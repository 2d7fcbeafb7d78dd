"""The concepts of large code systems, in a collection of their own.

Document: `{_id: "s|code", s, c, d, n, f, p, a, q, props, des, x}`. `s` is the load that brought it
(one version of one code system), `c` the code, `d` display, `n` definition, `f` the folded words
that a text filter looks through, `p` parents, `a` the code itself and all its ancestors, `q` its
properties as `code=value`, `props` and `des` properties and designations as they were, `x` is there
where it is inactive. A load is not seen before it is whole; then it takes the place of the one
before at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from pymongo import ASCENDING, IndexModel, WriteConcern

from fhir_server.store import lease
from fhir_server.store.database import Database, Document, available
from fhir_server.store.stored_code_system import BY_WORD, Loaded, StoredCodeSystem, concept_id
from fhir_server.terminology.code_system import Head
from fhir_server.terminology.concept import Concept
from fhir_server.terminology.releases import Release

__all__ = ["Concepts", "Loaded"]

LOT = 2_000
INDEXES = (
    IndexModel([("s", ASCENDING), ("f", ASCENDING)], name=BY_WORD),
    IndexModel([("s", ASCENDING), ("a", ASCENDING), ("c", ASCENDING)], name="s_a_c"),
    IndexModel([("s", ASCENDING), ("q", ASCENDING), ("c", ASCENDING)], name="s_q_c"),
    IndexModel([("s", ASCENDING), ("p", ASCENDING), ("c", ASCENDING)], name="s_p_c"),
)


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


def _document(key: str, concept: Concept, above: Sequence[str], caseless: bool) -> Document:
    found: Document = {
        "_id": concept_id(key, concept.code, caseless),
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
