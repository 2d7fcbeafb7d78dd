"""Chains and reverse chains asked from the near end: which of these resources meet them.

Only what the resources asked of point at, or what points at them, is looked at; nothing is read as
a whole. The answer is that of `search.chain`, which follows them from the far end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from fhir_server.search.chain import (
    CHAIN_RANK,
    COMPARED_RANK,
    Finder,
    TooMany,
    pointed_at,
    pointing,
    resolved,
    these,
)
from fhir_server.search.compile import Part, combine
from fhir_server.search.conditions import Chain, Condition, Either, Every, Has, Not
from fhir_server.search.kinds import MatchContext
from fhir_server.search.registry import Parameter

MAX_BETWEEN = 10_000
"""The most resources of one type that are looked at between the two ends of a chain."""


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
) -> set[str]:
    """Those of the ids whose resources meet all conditions.

    `shown` says that the finder is known to see all of them. Raises TooMany where there is more
    than `MAX_BETWEEN` to look at.
    """
    left = set(ids)
    parts: list[Part] = []
    plain: list[Condition] = []
    for condition in flat(conditions):
        match condition:
            case _ if not left:
                return left
            case Has():
                left &= await _pointed_at(left, condition, context, finder)
            case Chain():
                part = await _pointing(left, condition, context, finder)
                parts.append(Part(CHAIN_RANK, part))
            case Either() if is_linked(condition):
                sides = [
                    await meeting(left, (one,), context, finder) for one in condition.conditions
                ]
                left = set().union(*sides)
            case Not() if is_linked(condition):
                left -= await meeting(left, (condition.condition,), context, finder)
            case _:
                plain.append(condition)
    parts += await resolved(plain, context, finder)
    if not left or (shown and not parts):
        return left
    among = Part(COMPARED_RANK, {"_id": {"$in": sorted(left)}})
    return set(await finder.ids(context.type, combine([*parts, among]), len(left)))


async def _pointed_at(
    ids: Collection[str], has: Has, context: MatchContext, finder: Finder
) -> set[str]:
    """Those of the ids that a resource meant by the reverse chain points at."""
    far = replace(context, type=has.type)
    there = pointing(has.reference, [(context.type, id_) for id_ in sorted(ids)])
    parts = [Part(CHAIN_RANK, there)]
    if is_linked(has.condition):
        between = await finder.ids(has.type, combine(parts), MAX_BETWEEN + 1)
        met = await meeting(_bounded(between, has.reference), (has.condition,), far, finder)
        parts.append(Part(COMPARED_RANK, {"_id": {"$in": sorted(met)}}))
    else:
        parts += await resolved((has.condition,), far, finder)
    limit = MAX_BETWEEN + len(ids)
    found = await pointed_at(has.type, combine(parts), has.reference, context.type, finder, limit)
    return set(ids).intersection(found)


async def _pointing(
    ids: Collection[str], chain: Chain, context: MatchContext, finder: Finder
) -> dict[str, object]:
    """What those of the ids have in common that point at a resource meant by the chain."""
    found: list[tuple[str, str]] = []
    for type_, condition in chain.targets:
        targets = await pointed_at(
            context.type, these(sorted(ids)), chain.reference, type_, finder, MAX_BETWEEN
        )
        met = await meeting(targets, (condition,), replace(context, type=type_), finder)
        found += [(type_, id_) for id_ in sorted(met)]
    return pointing(chain.reference, found)


def _bounded(ids: Sequence[str], reference: Parameter) -> Sequence[str]:
    if len(ids) > MAX_BETWEEN:
        raise TooMany(f"{reference.code}: more than {MAX_BETWEEN:,} resources lie between")
    return ids
