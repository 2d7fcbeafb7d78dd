"""One index for keys instead of two: write what it has of each resource (`b`), drop the old ones.

What it has follows from the keys that are stored, so no resource is read. It goes on where it
stopped: what has `b` is done.
"""

from __future__ import annotations

from pymongo import UpdateOne

from fhir_server.search.entries import entries
from fhir_server.store.database import Database, Document, available
from fhir_server.store.indexes import BY_KEY_AND_DATE, CURRENT, Collections, models
from fhir_server.store.migrations import Tell

OLD = ("k_d", "p_k_d")
LOT = 1_000
TOLD = 100_000

TODO: Document = {"k": {"$exists": True}, "b": {"$exists": False}}
FIELDS: Document = {"v": 1, "p": 1, "k": 1}


async def apply(database: Database, tell: Tell) -> None:
    collections = Collections(database)
    for type_ in await collections.types():
        current = collections.current(type_)
        with available():
            total = await current.count_documents(TODO)
        # The index comes after the entries: built once, from all that is there.
        done, after = 0, ""
        while lot := await _lot(database, type_, after):
            with available():
                await current.bulk_write([_change(type_, one) for one in lot], ordered=False)
            done, after = done + len(lot), lot[-1]["_id"]
            if done // TOLD != (done - len(lot)) // TOLD or done == total:
                tell(f"{type_}: the index entries of {done:,} of {total:,} are written")
        with available():
            await current.create_indexes(models({BY_KEY_AND_DATE: CURRENT[BY_KEY_AND_DATE]}))
            there = await current.index_information()
            for name in OLD:
                if name in there:
                    await current.drop_index(name)


async def _lot(database: Database, type_: str, after: str) -> list[Document]:
    rest = {"_id": {"$gt": after}, **TODO}
    with available():
        return await database[type_].find(rest, FIELDS).sort("_id").limit(LOT).to_list()


def _change(type_: str, one: Document) -> UpdateOne:
    found = entries(type_, one.get("p"), one["k"])
    return UpdateOne({"_id": one["_id"], "v": one["v"]}, {"$set": {"b": found}})
