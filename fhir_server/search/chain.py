"""Chains and reverse chains, resolved from the far end to the near one.

`subject:Patient.name=x` first finds the patients, then asks for resources that point at one of
them; `_has:Observation:patient:code=x` first finds the observations, then the patients that they
point at. Each step is a search of its own under the caller's grant. What one step may find is
bounded by `MAX_CHAINED`; beyond it the search is refused, never cut short.
https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Sequence
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

MOST_CANDIDATES = 1_000
"""How many resources a reverse chain is looked for one by one, and not from the far end."""

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
) -> Filter:
    """One filter for all the conditions on `context.type`; chains ask the finder first.

    `compartment` (`Patient/1`) keeps to what lies in it. Raises TooCostly where a step of a chain
    finds more than `MAX_CHAINED`, and what the kinds raise for values.
    """
    parts = [Part(_COMPARTMENT_RANK, {"k": f"in={compartment}"})] if compartment else []
    return combine([*parts, *await _parts(conditions, context, finder)])


async def _parts(
    conditions: Sequence[Condition], context: MatchContext, finder: Finder
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
                parts.append(Part(_CHAIN_RANK, await _chain(condition, context, finder)))
            case Has():
                parts.append(Part(_CHAIN_RANK, await _has(condition, beside, context, finder)))
            case Compared():
                modifier = modifier_of(condition)
                await _prepare(condition.parameter, modifier, [condition.value], context)
                parts.append(Part(_COMPARED_RANK, match_compared(condition, context)))
            case Every():
                parts += await _parts(condition.conditions, context, finder)
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


async def _chain(chain: Chain, context: MatchContext, finder: Finder) -> Filter:
    found: list[tuple[str, str]] = []
    for type_, condition in chain.targets:
        there = await resolve((condition,), replace(context, type=type_), finder)
        ids = await finder.ids(type_, there, MAX_CHAINED + 1 - len(found))
        found += [(type_, id_) for id_ in ids]
        if len(found) > MAX_CHAINED:
            raise _too_many(chain.reference.code)
    if chain.reference.patient and all(type_ == "Patient" for type_, _ in found):
        return _any("p", [id_ for _, id_ in found])
    return _any("k", [f"{chain.reference.code}={type_}/{id_}" for type_, id_ in found])


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
    return sorted({key[len(prefix) :].partition("/")[0] for key in keys})


def _too_many(step: str) -> TooCostly:
    return TooCostly(
        f"{step}: more than {MAX_CHAINED:,} resources meet this step of the chain; "
        "narrow it by a further condition",
        expression=f"http.{step}",
    )
