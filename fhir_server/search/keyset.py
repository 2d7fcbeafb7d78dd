"""Orders that an index gives for nothing, and how a page goes on after a row in them.

MongoDB keeps `{u, _id}` and `{b, d, _id}`; an order is one of `u` and `d`, up or down, with the id
as tie-break in the direction that the index has. A resource without the value comes last either
way. MongoDB puts what is missing first when it sorts upwards, so that an
upward order on `d` has two stretches, one after the other: those with a value, then the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fhir_server.access.grant import Filter

_EARLIEST = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Order:
    """Rows by `field` (`u` or `d`), and by `_id` the other way round."""

    field: str
    descending: bool = True

    @property
    def reversed(self) -> Order:
        """The order that reads the same rows from the end."""
        return replace(self, descending=not self.descending)

    @property
    def sort(self) -> dict[str, int]:
        """The order as MongoDB writes it."""
        way = _way(self)
        return {self.field: way, "_id": -way}


class Stretch(msgspec.Struct, frozen=True):
    """A part of the result that one index scan reads in order."""

    filter: Filter
    sort: dict[str, int]


def stretches(
    filter_: Filter, order: Order, after: tuple[Any, str] | None, *, backwards: bool, merged: bool
) -> list[Stretch]:
    """What to read, one after the other, for the rows after (or before) the row `after`.

    `after` is the row's value (None where it is missing) and id. `merged` says that the filter
    needs several scans merged (`$in` on keys): then the place is told in a form that keeps the
    merge; else in the form that examines no key twice. The filter holds `p`, `k` and `$and` at its
    top, nothing else.
    """
    way = order.reversed if backwards else order
    if order.field == "u":  # every document has one
        return [_beyond(filter_, way, after, merged) if after else Stretch(filter_, way.sort)]
    missing = Stretch({**filter_, "d": None}, way.sort)
    if after is None:
        if way.descending and not backwards:  # MongoDB's own order has the missing last here
            return [Stretch(filter_, way.sort)]
        present = Stretch({**filter_, "d": {"$gte": _EARLIEST}}, way.sort)
        return [missing, present] if backwards else [present, missing]
    value, id_ = after
    if value is None:
        rest = Stretch({**missing.filter, "_id": {_further(-_way(way)): id_}}, way.sort)
        present = Stretch({**filter_, "d": {"$gte": _EARLIEST}}, way.sort)
        return [rest, present] if backwards else [rest]
    rest = _beyond(filter_, way, (value, id_), merged)
    return [rest] if backwards else [rest, missing]


def _beyond(filter_: Filter, way: Order, after: tuple[Any, str], merged: bool) -> Stretch:
    value, id_ = after
    further, next_id = _further(_way(way)), {_further(-_way(way)): id_}
    if merged:
        tie: Filter = {"$or": [{way.field: {further: value}}, {"_id": next_id}]}
        bounded = {**filter_, way.field: {f"{further}e": value}}
        return Stretch({**bounded, "$and": [*filter_.get("$and", ()), tie]}, way.sort)
    same = {**filter_, way.field: value, "_id": next_id}
    return Stretch({"$or": [same, {**filter_, way.field: {further: value}}]}, way.sort)


def _way(order: Order) -> int:
    return -1 if order.descending else 1


def _further(way: int) -> str:
    return "$gt" if way == 1 else "$lt"
