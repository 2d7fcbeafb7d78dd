"""Sort keys that no index has in order: computed from the search keys of what the filter leaves.

Of several values of a resource an upward key takes the lowest and a downward one the highest (of
dates the latest start); resources without a value come last either way; ties go by id.
https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.search.registry import Parameter

Stage = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ComputedKey:
    """One key: the parameter whose values order, and the direction."""

    parameter: Parameter
    descending: bool

    @property
    def expression(self) -> Any:
        """The aggregation expression of the key's value in a document; null where it has none."""
        match self.parameter.code:
            case "_id":
                return "$_id"
            case "_lastUpdated":
                return "$u"
        if self.parameter.clinical_date:
            return "$d"
        pick = "$max" if self.descending else "$min"
        codes = self.parameter.stored
        if self.parameter.type in ("date", "number", "quantity"):
            # a date's place is where it begins, as for the clinical date of the type
            low = self.parameter.type == "date" or not self.descending
            edge = "$$this.lo" if low else "$$this.hi"
            bare = {pick: _edges({"$in": ["$$this.k", list(codes)]}, edge)}
            if self.parameter.type != "quantity":
                return bare
            # in the canonical unit where it has one (`code|g`), so that 1 g comes after 900 mg
            canonical = {"$or": [_canonical(code) for code in codes]}
            return {"$ifNull": [{pick: _edges(canonical, edge)}, bare]}
        whole = self.parameter.type != "token"
        return {pick: {"$concatArrays": [_texts(code, whole) for code in codes]}}


def _texts(code: str, whole: bool) -> Stage:
    """The texts under `code=`; unless `whole`, the codes of tokens alone, none twice."""
    start = len(code) + 1
    # `=` and `>` are neighbours: what lies between them begins with the code and `=`
    inside: list[Stage] = [{"$gte": ["$$this", f"{code}="]}, {"$lt": ["$$this", f"{code}>"]}]
    if not whole:
        inside.append({"$eq": [{"$indexOfBytes": ["$$this", "|"]}, -1]})
        inside.append({"$ne": [{"$indexOfBytes": ["$$this", "\\", start]}, start]})
    keys = {"$filter": {"input": "$k", "cond": {"$and": inside}}}
    return {"$map": {"input": keys, "in": {"$substrBytes": ["$$this", start, -1]}}}


def _edges(condition: Stage, edge: str) -> Stage:
    """One edge of each ordered value whose key meets the condition."""
    return {"$map": {"input": {"$filter": {"input": "$r", "cond": condition}}, "in": edge}}


def _canonical(code: str) -> Stage:
    start = len(code) + 1
    return {
        "$and": [
            {"$gte": ["$$this.k", f"{code}|"]},
            {"$lt": ["$$this.k", f"{code}}}"]},  # the sign after `|`
            {"$eq": [{"$indexOfBytes": ["$$this.k", "|", start]}, -1]},
        ]
    }


def ordered(
    keys: Sequence[ComputedKey], after: Sequence[Any] | None, *, backwards: bool, limit: int
) -> list[Stage]:
    """The stages after the match: documents `{_id, s: [values]}` in order, `limit` at most.

    `after` has the values of the row to go on from, its id last.
    """
    values = {f"s{i}": key.expression for i, key in enumerate(keys)}
    gaps = {f"m{i}": {"$eq": [{"$ifNull": [f"$s{i}", None]}, None]} for i in range(len(keys))}
    way = -1 if backwards else 1
    columns: list[tuple[str, int]] = []
    for i, key in enumerate(keys):
        columns += [(f"m{i}", way), (f"s{i}", -way if key.descending else way)]
    columns.append(("_id", way))
    stages: list[Stage] = [{"$project": values}, {"$set": gaps}]
    if after is not None:
        stages.append({"$match": {"$expr": _beyond(columns, after)}})
    shown = [{"$ifNull": [f"$s{i}", None]} for i in range(len(keys))]
    return [*stages, {"$sort": dict(columns)}, {"$limit": limit}, {"$project": {"s": shown}}]


def _beyond(columns: Sequence[tuple[str, int]], after: Sequence[Any]) -> Any:
    """Whether a row comes after the row with these values: the first column that differs says."""
    edges: list[Any] = []
    for value in after[:-1]:
        edges += [value is None, value]
    edges.append(after[-1])
    alternatives: list[Any] = []
    equal: list[Any] = []
    for (column, way), edge in zip(columns, edges, strict=True):
        here = {"$ifNull": [f"${column}", None]}
        further = {"$gt" if way == 1 else "$lt": [here, {"$literal": edge}]}
        alternatives.append({"$and": [*equal, further]})
        equal.append({"$eq": [here, {"$literal": edge}]})
    return {"$or": alternatives}
