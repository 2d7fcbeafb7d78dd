"""Chains and reverse chains asked from the near end: which of these resources meet them.

Only what the resources asked of point at, or what points at them, is looked at; nothing is read as
a whole. The answer is that of `search.chain`, which follows them from the far end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fhir_server.access.grant import Filter
from fhir_server.search.chain import (
    CHAIN_RANK,
    COMPARED_RANK,
    Finder,
    TooMany,
    id_in,
    pointing,
    prefix_of,
    resolved,
    these,
)
from fhir_server.search.compile import Part, combine
from fhir_server.search.conditions import Chain, Condition, Either, Every, Has, Not
from fhir_server.search.kinds import MatchContext
from fhir_server.search.registry import Parameter

MAX_BETWEEN = 10_000
"""The most resources of one type that are looked at between the two ends of a chain."""

EACH_ROUND = 20
"""For each resource, how many that may point at it are looked at before others are."""


class Here(Protocol):
    """What tells of the resources asked of themselves; the finder tells of all others."""

    async def meeting(self, ids: Collection[str], filter_: Filter) -> set[str]:
        """Those of the ids whose resources meet the filter."""

    async def targets(self, ids: Collection[str], prefix: str | None) -> Mapping[str, set[str]]:
        """By their ids the ids of what they point at: of their keys with this prefix.

        Without a prefix the patient (`p`).
        """


@dataclass(frozen=True, slots=True)
class Stored:
    """`Here` where the resources of a type are stored: the finder tells of them too."""

    type: str
    finder: Finder

    async def meeting(self, ids: Collection[str], filter_: Filter) -> set[str]:
        """Those of the ids whose resources meet the filter."""
        among = combine([Part(0, filter_), Part(COMPARED_RANK, {"_id": {"$in": sorted(ids)}})])
        return set(await self.finder.ids(self.type, among, len(ids)))

    async def targets(self, ids: Collection[str], prefix: str | None) -> Mapping[str, set[str]]:
        """By their ids what they point at."""
        rows = await self.finder.targets(self.type, these(ids), prefix, len(ids))
        return {id_: {id_in(key, prefix or "") for key in keys} for id_, keys in rows}


def is_linked(condition: Condition) -> bool:
    """Whether the condition follows references: it is a chain, or has one in it."""
    match condition:
        case Chain() | Has():
            return True
        case Every() | Either():
            return any(map(is_linked, condition.conditions))
        case Not():
            return is_linked(condition.condition)
    return False


def flat(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """Conditions that must all hold, without any `Every` around them."""
    for condition in conditions:
        if isinstance(condition, Every):
            yield from flat(condition.conditions)
        else:
            yield condition


async def meeting(
    ids: Collection[str],
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    *,
    shown: bool = False,
    here: Here | None = None,
) -> set[str]:
    """Those of the ids whose resources meet all conditions.

    `shown` says that the finder is known to see all of them; `here` tells of them where something
    knows them better. Raises TooMany where there is more than `MAX_BETWEEN` to look at.
    """
    here = here or Stored(context.type, finder)
    left = set(ids)
    plain: list[Condition] = []
    for condition in flat(conditions):
        match condition:
            case _ if not left:
                return left
            case Has():
                left &= await _pointed_at(left, condition, context, finder)
            case Chain():
                left = await _pointing(left, condition, context, finder, here)
            case Either() if is_linked(condition):
                sides = [
                    await meeting(left, (one,), context, finder, here=here)
                    for one in condition.conditions
                ]
                left = set().union(*sides)
            case Not() if is_linked(condition):
                left -= await meeting(left, (condition.condition,), context, finder, here=here)
            case _:
                plain.append(condition)
    if not left or (shown and not plain):
        return left
    return await here.meeting(left, combine(await resolved(plain, context, finder)))


async def _pointed_at(
    ids: Collection[str], has: Has, context: MatchContext, finder: Finder
) -> set[str]:
    """Those of the ids that a resource meant by the reverse chain points at.

    In rounds, each for those not found yet: one resource is enough for each of them, and some may
    have a great many.
    """
    found: set[str] = set()
    parts = await _meant(ids, has, context, finder)
    prefix = prefix_of(has.reference, context.type)
    while left := set(ids) - found:
        there = pointing(has.reference, [(context.type, id_) for id_ in sorted(left)])
        filter_ = combine([*parts, Part(CHAIN_RANK, there)])
        limit = EACH_ROUND * len(left)
        rows = await finder.targets(has.type, filter_, prefix, limit)
        hit = left.intersection(id_in(key, prefix or "") for _, keys in rows for key in keys)
        found |= hit
        if len(rows) < limit:
            break
        if not hit:
            raise _too_many(has.reference)
    return found


async def _meant(
    ids: Collection[str], has: Has, context: MatchContext, finder: Finder
) -> list[Part]:
    """What the resources meant by the reverse chain have in common, of those that point at ids."""
    far = replace(context, type=has.type)
    if not is_linked(has.condition):
        return await resolved((has.condition,), far, finder)
    there = pointing(has.reference, [(context.type, id_) for id_ in sorted(ids)])
    between = await finder.ids(has.type, combine([Part(CHAIN_RANK, there)]), MAX_BETWEEN + 1)
    if len(between) > MAX_BETWEEN:
        raise _too_many(has.reference)
    met = await meeting(between, (has.condition,), far, finder, shown=True)
    return [Part(COMPARED_RANK, {"_id": {"$in": sorted(met)}})]


async def _pointing(
    ids: Collection[str], chain: Chain, context: MatchContext, finder: Finder, here: Here
) -> set[str]:
    """Those of the ids whose resources point at one meant by the chain."""
    found: set[str] = set()
    for type_, condition in chain.targets:
        places = await here.targets(ids, prefix_of(chain.reference, type_))
        targets = set().union(*places.values())
        if len(targets) > MAX_BETWEEN:
            raise _too_many(chain.reference)
        met = await meeting(targets, (condition,), replace(context, type=type_), finder)
        found.update(id_ for id_, there in places.items() if not there.isdisjoint(met))
    return found


def _too_many(reference: Parameter) -> TooMany:
    return TooMany(f"{reference.code}: more than {MAX_BETWEEN:,} resources lie between")
