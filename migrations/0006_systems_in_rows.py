"""Name the systems of a composite's tokens in the row of the codes (`w`), not in rows of their own.

History and tombstones too: a grant may judge them by their rows. It goes on where it stopped.
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.search.values import code_of, parts
from fhir_server.store.database import Database, Document
from fhir_server.store.indexes import Collections
from fhir_server.store.migrations import Tell
from fhir_server.store.rewriting import rewrite

# The key of a composite: its name, the texts, and what follows the `&` before the suffix.
KEY = re.compile(r"([^=]+)=((?:[^\\&]|\\.|&(?!~?$|\||&))*)(&.*)", re.DOTALL)

TODO: Document = {"r.k": {"$regex": r"^[^=]+=(?:[^\\|&]|\\.|&[^|])*\|[^&]*&"}}


async def apply(database: Database, tell: Tell) -> None:
    collections = Collections(database)
    for type_ in await collections.types():
        for collection in (collections.current(type_), collections.history(type_)):
            name = collection.name

            def say(done: int, name: str = name) -> None:
                tell(f"{name}: the systems of {done:,} are in their rows")

            await rewrite(collection, TODO, ("r",), _change, say)


def _change(one: Document) -> Document:
    return {"r": folded(one["r"])}


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
