"""Name the systems of a composite's tokens in the row of the codes (`w`), not in rows of their own.

History and tombstones too: a grant may judge them by their rows. It goes on where it stopped.
"""

from __future__ import annotations

import re
from typing import Any

from pymongo import UpdateOne

from fhir_server.search.values import code_of, parts
from fhir_server.store.database import Database, Document, available
from fhir_server.store.indexes import Collections
from fhir_server.store.migrations import Tell

LOT = 1_000
TOLD = 100_000

# The key of a composite: its name, the texts, and what follows the `&` before the suffix.
KEY = re.compile(r"([^=]+)=((?:[^\\&]|\\.|&(?!~?$|\||&))*)(&.*)", re.DOTALL)

TODO: Document = {"r.k": {"$regex": r"^[^=]+=(?:[^\\|&]|\\.|&[^|])*\|[^&]*&"}}


async def apply(database: Database, tell: Tell) -> None:
    collections = Collections(database)
    for type_ in await collections.types():
        for collection in (collections.current(type_), collections.history(type_)):
            done, after = 0, ""
            while lot := await _lot(database, collection.name, after):
                changes = [
                    UpdateOne({"_id": one["_id"], "v": one["v"]}, {"$set": {"r": folded(one["r"])}})
                    for one in lot
                ]
                with available():
                    await collection.bulk_write(changes, ordered=False)
                done, after = done + len(lot), lot[-1]["_id"]
                if done // TOLD != (done - len(lot)) // TOLD:
                    tell(f"{collection.name}: the systems of {done:,} are in their rows")


async def _lot(database: Database, name: str, after: str) -> list[Document]:
    rest = {"_id": {"$gt": after}, **TODO}
    with available():
        return await database[name].find(rest, {"v": 1, "r": 1}).sort("_id").limit(LOT).to_list()


def folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of composites by their codes alone, those with systems put into them."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key, names = row["k"], tuple(row.get("w", ()))
        if composite := KEY.fullmatch(key):
            name, whole, suffix = composite.groups()
            bare = "$".join(code_of(text) for text in parts(whole, "$"))
            key = f"{name}={bare}{suffix}"
            names += (f"={whole}",) if whole != bare else ()
        place = (key, row["lo"], row["hi"])
        before = kept.get(place, {}).get("w", ())
        every = list(dict.fromkeys((*before, *names)))
        kept[place] = {
            "k": key,
            "lo": row["lo"],
            "hi": row["hi"],
            **({"w": every} if every else {}),
        }
    return list(kept.values())
