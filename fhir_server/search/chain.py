"""Chains and reverse chains, resolved from the end that has less to look at.

`subject:Patient.name=x` first finds the patients, then asks for resources that point at one of
them; where these patients are many, and the other conditions leave few resources, it is asked which
of the patients that those few point at are meant. `_has:Observation:patient:code=x` first finds the
observations, then the patients that they point at. Each step is a search of its own under the
caller's grant. What one step may find is bounded by `MAX_CHAINED`; beyond it the search is refused,
never cut short.
https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from fhir_server.access.grant import Filter
from fhir_server.errors import TooCostly
from fhir_server.search.compile import EVERY, Part, combine, compile_plain, implied
from fhir_server.search.conditions import (
    Chain,
    Compared,
    Condition,
    Either,
    Every,
    Has,
    Listed,
    Not,
    Plain,
)
from fhir_server.search.filter_operators import match_compared, modifier_of
from fhir_server.search.hierarchy import is_hierarchical, members, parse_hierarchy
from fhir_server.search.kinds import MatchContext
from fhir_server.search.registry import Parameter
from fhir_server.search.values import any_of, keyed

MAX_CHAINED = 100_000
"""The most resources that one step of a chain may find: about 20 MB while it is resolved."""

MANY = 1_000
"""More than so many resources at the far end of a chain are worth a look from the near side."""

MOST_CANDIDATES = 1_000
"""For how many resources a chain is followed from them, and not from the far end."""

_CHAIN_RANK = 15
_COMPARTMENT_RANK = 12
_COMPARED_RANK = 45


class Finder(Protocol):
    """The searches within a search. Both see only what the caller may see."""

    async def ids(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        """The ids of the resources that meet the filter, `limit` at most."""

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        """The different keys with this prefix among the resources that meet the filter."""

    async def patients(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        """The ids of the patients (`p`) of the resources that meet the filter."""


async def resolve(
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    *,
    compartment: str = "",
    nearby: bool = False,
) -> Filter:
    """One filter for all the conditions on `context.type`; chains ask the finder first.

    `compartment` (`Patient/1`) keeps to what lies in it. `nearby`: chains may also be followed from
    the resources of `context.type` that are there now, because the filter is only for those that
    the finder sees: at its moment, under its grant, and not for contained ones. Raises TooCostly
    where a step of a chain finds more than `MAX_CHAINED`, and what the kinds raise for values.
    """
    parts = [Part(_COMPARTMENT_RANK, {"k": f"in={compartment}"})] if compartment else []
    near = _Near(conditions, context, finder, compartment) if nearby else None
    return combine([*parts, *await _parts(conditions, context, finder, near)])


class _Near:
    """The resources that the plain conditions beside a chain leave, looked for when needed."""

    def __init__(
        self,
        conditions: Sequence[Condition],
        context: MatchContext,
        finder: Finder,
        compartment: str,
    ) -> None:
        self._beside = list(_plain(conditions))
        self._context = context
        self._finder = finder
        self._compartment = compartment
        self._few: Sequence[str] | None = None
        self._looked = False

    async def targets(self, code: str, type_: str) -> list[str] | None:
        """The ids of the type that they point at by the reference; None where it is too many."""
        if not self._looked:
            self._few, self._looked = await self._candidates(), True
        if self._few is None:
            return None
        these: Filter = {"k": EVERY, "$and": [{"_id": {"$in": list(self._few)}}]}
        prefix = f"{code}={type_}/"
        keys = await self._finder.keys(self._context.type, these, prefix, MAX_CHAINED + 1)
        return None if len(keys) > MAX_CHAINED else _ids(keys, prefix)

    async def _candidates(self) -> Sequence[str] | None:
        if not self._beside and not self._compartment:
            return None
        compartment = self._compartment
        near = await resolve(self._beside, self._context, self._finder, compartment=compartment)
        few = await self._finder.ids(self._context.type, near, MOST_CANDIDATES + 1)
        return few if len(few) <= MOST_CANDIDATES else None


def _plain(conditions: Sequence[Condition]) -> Iterator[Plain | Compared]:
    """The plain ones of conditions that must all hold."""
    for condition in conditions:
        if isinstance(condition, Plain | Compared):
            yield condition
        elif isinstance(condition, Every):
            yield from _plain(condition.conditions)


async def _parts(
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    near: _Near | None = None,
) -> list[Part]:
    parts: list[Part] = []
    beside = [other for other in conditions if isinstance(other, Plain)]
    for condition in conditions:
        match condition:
            case Plain() if is_hierarchical(condition):
                parts.append(Part(_CHAIN_RANK, await _hierarchy(condition, context, finder)))
            case Plain():
                await _prepare(condition.parameter, condition.modifier, condition.values, context)
                parts.append(compile_plain(condition, context, beside))
                parts += implied(condition, context)
            case Chain():
                parts.append(Part(_CHAIN_RANK, await _chain(condition, context, finder, near)))
            case Has():
                parts.append(Part(_CHAIN_RANK, await _has(condition, beside, context, finder)))
            case Compared():
                modifier = modifier_of(condition)
                await _prepare(condition.parameter, modifier, [condition.value], context)
                parts.append(Part(_COMPARED_RANK, match_compared(condition, context)))
            case Every():
                parts += await _parts(condition.conditions, context, finder, near)
            case Either():
                sides = [await resolve((one,), context, finder) for one in condition.conditions]
                parts.append(Part(_COMPARED_RANK, _either(sides)))
            case Not():
                met = await resolve((condition.condition,), context, finder)
                parts.append(Part(_COMPARED_RANK, {"$nor": [met]}))
            case Listed():
                parts.append(Part(_CHAIN_RANK, await _listed(condition, context, finder)))
    return parts


async def _prepare(
    parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
) -> None:
    if context.terminology and parameter.type == "token":
        await context.terminology.prepare(parameter.code, modifier, values)


def _either(sides: Sequence[Filter]) -> Filter:
    """The disjunction of resolved filters; of keys alone it is a bound for an index."""
    keys: list[str] = []
    for side in sides:
        key = side["k"] if side.keys() == {"k"} else None
        if key == EVERY:
            return {}
        if isinstance(key, str):
            keys.append(key)
        elif isinstance(key, dict) and key.keys() == {"$in"}:
            keys += key["$in"]
        else:
            return any_of(sides)
    return keyed(keys)


async def _listed(listed: Listed, context: MatchContext, finder: Finder) -> Filter:
    lists: Filter = {"k": EVERY, "$and": [{"_id": {"$in": list(listed.lists)}}]}
    prefix = f"item={context.type}/"
    return {"_id": {"$in": await _pointed_at("List", lists, prefix, "_list", finder)}}


async def _hierarchy(plain: Plain, context: MatchContext, finder: Finder) -> Filter:
    code = plain.parameter.code
    hierarchy = parse_hierarchy(plain, context.registry, context.base_url)

    async def step(type_: str, link: str, ids: Sequence[str]) -> Sequence[str]:
        if hierarchy.upwards:
            these: Filter = {"k": EVERY, "$and": [{"_id": {"$in": list(ids)}}]}
            return await _pointed_at(type_, these, f"{link}={type_}/", code, finder)
        parts = _any("k", [f"{link}={type_}/{id_}" for id_ in ids])
        return await finder.ids(type_, parts, MAX_CHAINED + 1)

    found = await members(hierarchy, step, MAX_CHAINED)
    if len(found) > MAX_CHAINED:
        raise _too_many(code)
    return _any("k", [f"{code}={type_}/{id_}" for type_, id_ in found])


async def _chain(chain: Chain, context: MatchContext, finder: Finder, near: _Near | None) -> Filter:
    found: list[tuple[str, str]] = []
    for type_, condition in chain.targets:
        there = await resolve((condition,), replace(context, type=type_), finder)
        room = MAX_CHAINED + 1 - len(found)
        ids = await _far(type_, there, chain.reference.code, room, finder, near)
        found += [(type_, id_) for id_ in ids]
        if len(found) > MAX_CHAINED:
            raise _too_many(chain.reference.code)
    if chain.reference.patient and all(type_ == "Patient" for type_, _ in found):
        return _any("p", [id_ for _, id_ in found])
    return _any("k", [f"{chain.reference.code}={type_}/{id_}" for type_, id_ in found])


async def _far(
    type_: str, there: Filter, code: str, limit: int, finder: Finder, near: _Near | None
) -> Sequence[str]:
    """The ids of those that meet the filter, or of as many as matter to the near side."""
    if near is not None:
        ids = await finder.ids(type_, there, min(limit, MANY + 1))
        if len(ids) <= MANY:
            return ids
        targets = await near.targets(code, type_)
        if targets is not None:
            there = {**there, "_id": {"$in": targets}}
    return await finder.ids(type_, there, limit)


def _any(field: str, values: list[str]) -> Filter:
    return {field: values[0] if len(values) == 1 else {"$in": values}}


async def _has(
    has: Has, beside: Sequence[Condition], context: MatchContext, finder: Finder
) -> Filter:
    """The filter of a reverse chain; `beside` are conditions on the resources themselves.

    Where those leave few patients, only the records of these are looked at.
    """
    there = await resolve((has.condition,), replace(context, type=has.type), finder)
    step = f"_has:{has.type}:{has.reference.code}"
    if has.reference.patient and context.type == "Patient":
        if beside and "p" not in there:
            near = await resolve(beside, context, finder)
            few = await finder.ids(context.type, near, MOST_CANDIDATES + 1)
            if len(few) <= MOST_CANDIDATES:
                there = {**there, "p": {"$in": list(few)}}
        ids = await finder.patients(has.type, there, MAX_CHAINED + 1)
        if len(ids) > MAX_CHAINED:
            raise _too_many(step)
        return {"_id": {"$in": sorted(ids)}}
    prefix = f"{has.reference.code}={context.type}/"
    return {"_id": {"$in": await _pointed_at(has.type, there, prefix, step, finder)}}


async def _pointed_at(
    type_: str, filter_: Filter, prefix: str, step: str, finder: Finder
) -> list[str]:
    """The ids that the keys with this prefix lead to, of the resources that meet the filter."""
    keys = await finder.keys(type_, filter_, prefix, MAX_CHAINED + 1)
    if len(keys) > MAX_CHAINED:
        raise _too_many(step)
    return _ids(keys, prefix)


def _ids(keys: Sequence[str], prefix: str) -> list[str]:
    return sorted({key[len(prefix) :].partition("/")[0] for key in keys})


def _too_many(step: str) -> TooCostly:
    return TooCostly(
        f"{step}: more than {MAX_CHAINED:,} resources meet this step of the chain; "
        "narrow it by a further condition",
        expression=f"http.{step}",
    )
