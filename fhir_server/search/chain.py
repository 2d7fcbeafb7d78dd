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
from fhir_server.search.compile import Part, combine, compile_plain
from fhir_server.search.conditions import Chain, Condition, Has, Plain
from fhir_server.search.kinds import MatchContext

MAX_CHAINED = 100_000
"""The most resources that one step of a chain may find: about 20 MB while it is resolved."""

_CHAIN_RANK = 15
_COMPARTMENT_RANK = 12


class Finder(Protocol):
    """The searches within a search. Both see only what the caller may see."""

    async def ids(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        """The ids of the resources that meet the filter, `limit` at most."""

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        """The different keys with this prefix among the resources that meet the filter."""


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
    for condition in conditions:
        match condition:
            case Plain():
                if context.terminology and condition.parameter.type == "token":
                    await context.terminology.prepare(
                        condition.parameter.code, condition.modifier, condition.values
                    )
                beside = [other for other in conditions if isinstance(other, Plain)]
                parts.append(compile_plain(condition, context, beside))
            case Chain():
                parts.append(Part(_CHAIN_RANK, await _chain(condition, context, finder)))
            case Has():
                parts.append(Part(_CHAIN_RANK, await _has(condition, context, finder)))
    return combine(parts)


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


async def _has(has: Has, context: MatchContext, finder: Finder) -> Filter:
    there = await resolve((has.condition,), replace(context, type=has.type), finder)
    prefix = f"{has.reference.code}={context.type}/"
    keys = await finder.keys(has.type, there, prefix, MAX_CHAINED + 1)
    if len(keys) > MAX_CHAINED:
        raise _too_many(f"_has:{has.type}:{has.reference.code}")
    ids = sorted({key[len(prefix) :].partition("/")[0] for key in keys})
    return {"_id": {"$in": ids}}


def _too_many(step: str) -> TooCostly:
    return TooCostly(
        f"{step}: more than {MAX_CHAINED:,} resources meet this step of the chain; "
        "narrow it by a further condition",
        expression=f"http.{step}",
    )
