"""One index for keys instead of two: write what it has of each resource (`b`), drop the old ones.

What it has follows from the keys that are stored, so no resource is read. It goes on where it
stopped: what has `b` is done.
"""

from __future__ import annotations

from functools import partial

from fhir_server.search.entries import entries
from fhir_server.store.database import Database, Document, available
from fhir_server.store.indexes import BY_KEY_AND_DATE, CURRENT, Collections, models
from fhir_server.store.migrations import Tell
from fhir_server.store.rewriting import rewrite

OLD = ("k_d", "p_k_d")

TODO: Document = {"k": {"$exists": True}, "b": {"$exists": False}}


async def apply(database: Database, tell: Tell) -> None:
    collections = Collections(database)
    for type_ in await collections.types():
        current = collections.current(type_)
        with available():
            total = await current.count_documents(TODO)

        def say(done: int, type_: str = type_, total: int = total) -> None:
            tell(f"{type_}: the index entries of {done:,} of {total:,} are written")

        # The index comes after the entries: built once, from all that is there.
        await rewrite(current, TODO, ("p", "k"), partial(_change, type_), say)
        with available():
            await current.create_indexes(models({BY_KEY_AND_DATE: CURRENT[BY_KEY_AND_DATE]}))
            there = await current.index_information()
            for name in OLD:
                if name in there:
                    await current.drop_index(name)


def _change(type_: str, one: Document) -> Document:
    return {"b": entries(type_, one.get("p"), one["k"])}
