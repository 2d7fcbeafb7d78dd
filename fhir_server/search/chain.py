"""Chains and reverse chains, resolved from the far end.

`subject:Patient.name=x` first finds the patients, then asks for resources that point at one of
them. `_has:Observation:patient:code=x` first finds the observations, then the patients that they
point at. Each step is a search of its own under the caller's grant. What one step may find is
bounded; beyond it the search is refused, never cut short. `search.direction` says when the same is
asked from the near end.
https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

CHAIN_RANK = 15
_COMPARTMENT_RANK = 12
COMPARED_RANK = 45


class TooMany(TooCostly):
    """A step of a chain finds more than it may."""


class Finder(Protocol):
    """The searches within a search. All see only what the caller may see."""

    async def ids(
        self, type_: str, filter_: Filter, limit: int, milliseconds: int | None = None
    ) -> Sequence[str]:
        """The ids of the resources that meet the filter, `limit` at most.

        Raises TooCostly where they are not found within the milliseconds.
        """

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        """The different keys with this prefix among the resources that meet the filter."""

    async def patients(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        """The ids of the patients (`p`) of the resources that meet the filter."""

    async def targets(
        self, type_: str, filter_: Filter, prefix: str | None, limit: int
    ) -> Sequence[tuple[str, Sequence[str]]]:
        """The ids of `limit` resources at most, each with its keys that have the prefix.

        Without a prefix the patient (`p`) in the place of the keys.
        """


async def resolve(
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    *,
    compartment: str = "",
) -> Filter:
    """One filter for all the conditions on `context.type`; chains ask the finder first.

    `compartment` (`Patient/1`) keeps to what lies in it. Raises TooMany where a step of a chain
    finds more than `MAX_CHAINED`, and what the kinds raise for values.
    """
    parts = await resolved(conditions, context, finder)
    return combine([*inside(compartment), *parts])


def inside(compartment: str) -> list[Part]:
    """The part that keeps to a compartment; none where it is empty."""
    return [Part(_COMPARTMENT_RANK, {"k": f"in={compartment}"})] if compartment else []


async def resolved(
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    most: int = MAX_CHAINED,
) -> list[Part]:
    """The parts of conditions that must all hold.

    Raises TooMany where a step of a chain finds more than `most`; below `MAX_CHAINED` also where it
    would have to look at more resources than that, and TooCostly where it takes long to see.
    """
    parts: list[Part] = []
    beside = [other for other in conditions if isinstance(other, Plain)]
    for condition in conditions:
        match condition:
            case Plain() if is_hierarchical(condition):
                parts.append(Part(CHAIN_RANK, await _hierarchy(condition, context, finder)))
            case Plain():
                await _prepare(condition.parameter, condition.modifier, condition.values, context)
                parts.append(compile_plain(condition, context, beside))
                parts += implied(condition, context)
            case Chain():
                parts.append(Part(CHAIN_RANK, await _chain(condition, context, finder, most)))
            case Has():
                parts.append(Part(CHAIN_RANK, await _has(condition, context, finder, most)))
            case Compared():
                modifier = modifier_of(condition)
                await _prepare(condition.parameter, modifier, [condition.value], context)
                parts.append(Part(COMPARED_RANK, match_compared(condition, context)))
            case Every():
                parts += await resolved(condition.conditions, context, finder, most)
            case Either():
                sides = [
                    combine(await resolved((one,), context, finder, most))
                    for one in condition.conditions
                ]
                parts.append(Part(COMPARED_RANK, _either(sides)))
            case Not():
                met = combine(await resolved((condition.condition,), context, finder, most))
                parts.append(Part(COMPARED_RANK, {"$nor": [met]}))
            case Listed():
                parts.append(Part(CHAIN_RANK, await _listed(condition, context, finder)))
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
    prefix = f"item={context.type}/"
    found = await finder.keys("List", these(listed.lists), prefix, MAX_CHAINED + 1)
    return {"_id": {"$in": _ids(found, prefix, "_list", MAX_CHAINED)}}


async def _hierarchy(plain: Plain, context: MatchContext, finder: Finder) -> Filter:
    code = plain.parameter.code
    hierarchy = parse_hierarchy(plain, context.registry, context.base_url)

    async def step(type_: str, link: str, ids: Sequence[str]) -> Sequence[str]:
        if hierarchy.upwards:
            prefix = f"{link}={type_}/"
            keys = await finder.keys(type_, these(ids), prefix, MAX_CHAINED + 1)
            return _ids(keys, prefix, code, MAX_CHAINED)
        parts = _any("k", [f"{link}={type_}/{id_}" for id_ in ids])
        return await finder.ids(type_, parts, MAX_CHAINED + 1)

    found = await members(hierarchy, step, MAX_CHAINED)
    if len(found) > MAX_CHAINED:
        raise _too_many(code, MAX_CHAINED)
    return _any("k", [f"{code}={type_}/{id_}" for type_, id_ in found])


async def _chain(chain: Chain, context: MatchContext, finder: Finder, most: int) -> Filter:
    found: list[tuple[str, str]] = []
    for type_, condition in chain.targets:
        there = await resolved((condition,), replace(context, type=type_), finder, most)
        ids = await finder.ids(type_, combine(there), most + 1 - len(found), _patience(most))
        found += [(type_, id_) for id_ in ids]
        if len(found) > most:
            raise _too_many(chain.reference.code, most)
    return pointing(chain.reference, found)


def _patience(most: int) -> int | None:
    """Milliseconds for a look at whether there are more than `most`; all there are take longer."""
    return max(20, most // 10) if most < MAX_CHAINED else None


def pointing(reference: Parameter, targets: Sequence[tuple[str, str]]) -> Filter:
    """The resources that point at one of the (type, id) by the reference."""
    if reference.patient and all(type_ == "Patient" for type_, _ in targets):
        return _any("p", [id_ for _, id_ in targets])
    return _any("k", [f"{reference.code}={type_}/{id_}" for type_, id_ in targets])


def _any(field: str, values: list[str]) -> Filter:
    return {field: values[0] if len(values) == 1 else {"$in": values}}


def these(ids: Iterable[str]) -> Filter:
    """The resources of these ids."""
    return combine([Part(0, {"_id": {"$in": list(ids)}})])


async def _has(has: Has, context: MatchContext, finder: Finder, most: int) -> Filter:
    there = combine(await resolved((has.condition,), replace(context, type=has.type), finder, most))
    step = f"_has:{has.type}:{has.reference.code}"
    if most < MAX_CHAINED:
        few = await finder.ids(has.type, there, most + 1, _patience(most))
        if len(few) > most:
            raise _too_many(step, most)
    prefix = prefix_of(has.reference, context.type)
    if prefix is None:
        found = await finder.patients(has.type, there, MAX_CHAINED + 1)
    else:
        found = await finder.keys(has.type, there, prefix, MAX_CHAINED + 1)
    return {"_id": {"$in": _ids(found, prefix or "", step, MAX_CHAINED)}}


def prefix_of(reference: Parameter, target: str) -> str | None:
    """How the keys of references to a type begin; None where the patient (`p`) says the same."""
    if reference.patient and target == "Patient":
        return None
    return f"{reference.code}={target}/"


def id_in(key: str, prefix: str) -> str:
    """The id in the key of a literal reference, a versioned one too."""
    return key[len(prefix) :].partition("/")[0]


def _ids(keys: Sequence[str], prefix: str, step: str, most: int) -> list[str]:
    if len(keys) > most:
        raise _too_many(step, most)
    return sorted({id_in(key, prefix) for key in keys})


def _too_many(step: str, most: int) -> TooMany:
    return TooMany(
        f"{step}: more than {most:,} resources meet this step of the chain; "
        "narrow it by a further condition",
        expression=f"http.{step}",
    )
