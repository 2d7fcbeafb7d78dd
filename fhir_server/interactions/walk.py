"""A page of matches of a search whose chains are asked of the rows, lot by lot.

Right where many resources meet the chain, so that a page is soon full; where matches turn out to be
rare, the chain is followed from its far end after all.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fhir_server.search.chain import MAX_CHAINED, TooMany
from fhir_server.search.compile import Query
from fhir_server.search.cursor import Cursor
from fhir_server.search.direction import Sieve
from fhir_server.search.near import Stored
from fhir_server.store.resources import Version

if TYPE_CHECKING:
    from fhir_server.interactions.rows import Found

    Read = Callable[[Query, Cursor, int], Awaitable[Found]]

FIRST_LOT = 50
LARGEST_LOT = 800
"""Rows that are read at once: twice as many each time, unless fewer are likely to be enough."""

SPARE = 1.25
"""How many times the rows that are likely to be enough are read, for matches lie unevenly."""

MANY_WALKED = 500
"""Rows that are worth reading for a page before the far end is looked at once more."""

MOST_WALKED = 5_000
"""Rows that are worth reading for a page before the far end is read as a whole."""


async def walk(read: Read, query: Query, sieve: Sieve, place: Cursor, wanted: int) -> Found:
    """`wanted` rows beyond the place that the sieve keeps, fewer where there are no more.

    `read` gives so many rows of a query beyond a place, and the moment they were read at. Raises
    TooMany where a step of a chain finds too many, and matches are too rare among the rows.
    """
    plain = replace(query, sieve=None)
    lot, after = first_lot(wanted), place
    found: list[Version] = []
    places: list[tuple[Any, ...]] = []
    walked, looked = 0, False
    refused: TooMany | None = None
    while True:
        rows = await read(plain, after, lot)
        try:
            here = _Lot(query.type, sieve.finder, rows.patients)
            kept = await sieve.kept([version.id for version in rows.versions], here)
        except TooMany:
            return await read(await _settled(plain, sieve), place, wanted)
        for at, version in enumerate(rows.versions):
            if version.id in kept:
                found.append(version)
                places.append(rows.place(at))
        if len(found) >= wanted or rows.size < lot:
            found = found[:wanted]
            return rows._replace(versions=found, size=len(found), place=places.__getitem__)
        walked += rows.size
        needed = walked * wanted / (len(found) + 0.5)
        if not looked and needed > MANY_WALKED:
            narrow, looked = await sieve.narrowed(), True
            if len(narrow.rest) < len(sieve.rest):
                narrowed = replace(plain, filter=narrow.filter)
                if narrow.rest:
                    return await walk(read, narrowed, narrow, place, wanted)
                return await read(narrowed, place, wanted)
        if refused is None and needed > MOST_WALKED:
            try:
                return await read(await _settled(plain, sieve), place, wanted)
            except TooMany as error:
                refused = error
        if refused is not None and walked > MAX_CHAINED:
            raise refused
        after = replace(place, values=rows.place(rows.size - 1), time=rows.time)
        likely = math.ceil(SPARE * (needed - walked))
        lot = min(max(lot, likely), 2 * lot, LARGEST_LOT)


@dataclass(frozen=True, slots=True)
class _Lot(Stored):
    """Rows that were just read, and said whose records they are in."""

    patients: Mapping[str, str | None]

    async def targets(self, ids: Collection[str], prefix: str | None) -> Mapping[str, set[str]]:
        """By their ids what they point at; nothing is read for patients."""
        if prefix is not None:
            return await Stored.targets(self, ids, prefix)
        return {id_: {patient} for id_ in ids if (patient := self.patients.get(id_))}


def first_lot(wanted: int) -> int:
    """How many rows are read at first for so many matches."""
    return max(FIRST_LOT, 2 * wanted)


async def _settled(plain: Query, sieve: Sieve) -> Query:
    return replace(plain, filter=await sieve.settled())
