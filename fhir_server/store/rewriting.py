"""Documents of a collection changed lot by lot, for migrations."""

from __future__ import annotations

from collections.abc import Callable

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from fhir_server.store.database import Document, available

LOT = 1_000
TOLD = 100_000
"""After so many documents each time it is told how many there were."""


async def rewrite(
    collection: AsyncCollection[Document],
    todo: Document,
    fields: tuple[str, ...],
    change: Callable[[Document], Document],
    tell: Callable[[int], None],
) -> None:
    """Set the fields that `change` makes of each document's `fields`, where it meets `todo`.

    In the order of ids; what is done must no longer meet `todo`, so that it goes on where it
    stopped. A document that somebody replaces meanwhile is left to him.
    """
    shown: Document = {"v": 1, **dict.fromkeys(fields, 1)}
    done, after = 0, ""
    while True:
        rest = {"_id": {"$gt": after}, **todo}
        with available():
            lot = await collection.find(rest, shown).sort("_id").limit(LOT).to_list()
            if not lot:
                break
            changes = [
                UpdateOne({"_id": one["_id"], "v": one["v"]}, {"$set": change(one)}) for one in lot
            ]
            await collection.bulk_write(changes, ordered=False)
        before, done, after = done, done + len(lot), lot[-1]["_id"]
        if done // TOLD != before // TOLD:
            tell(done)
    if done % TOLD:
        tell(done)
