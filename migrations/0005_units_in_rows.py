"""Name the units of a quantity in the row of its number (`w`), not in rows of their own.

History and tombstones too: a grant may judge them by their rows. It goes on where it stopped.
"""

from __future__ import annotations

from typing import Any

from fhir_server.store.database import Database, Document
from fhir_server.store.indexes import Collections
from fhir_server.store.migrations import Tell
from fhir_server.store.rewriting import rewrite

TODO: Document = {"r.k": {"$regex": r"^[^=|]+\|\||&\|\|"}}


async def apply(database: Database, tell: Tell) -> None:
    collections = Collections(database)
    for type_ in await collections.types():
        for collection in (collections.current(type_), collections.history(type_)):
            name = collection.name

            def say(done: int, name: str = name) -> None:
                tell(f"{name}: the units of {done:,} are in their rows")

            await rewrite(collection, TODO, ("r",), _change, say)


def _change(one: Document) -> Document:
    return {"r": folded(one["r"])}


def folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with those of a unit (`value-quantity||kg`) put into that of the bare number."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    units: list[tuple[tuple[Any, ...], str]] = []
    there = {(row["k"], row["lo"], row["hi"]) for row in rows}
    for row in rows:
        name, mark, unit = _parted(row["k"])
        if not mark:
            kept[row["k"], row["lo"], row["hi"]] = row
            continue
        if unit.endswith("~") and (row["k"][:-1], row["lo"], row["hi"]) in there:
            name, unit = f"{name}~", unit[:-1]  # an interval, once more
        units.append(((name, row["lo"], row["hi"]), unit))
    for place, unit in units:
        if place in kept and unit not in kept[place].get("w", ()):
            kept[place] = {**kept[place], "w": [*kept[place].get("w", ()), unit]}
    return list(kept.values())


def _parted(key: str) -> tuple[str, str, str]:
    """The key of the number and the unit; of a composite the texts stand before a `&`."""
    if "=" not in key:
        return key.partition("||")
    before, mark, unit = key.partition("&||")
    return f"{before}&", mark, unit
