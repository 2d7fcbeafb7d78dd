"""Observation/$lastn: the latest observations of each kind.

https://hl7.org/fhir/R4/observation-operation-lastn.html. Kinds are told apart by code: observations
that share a coding, also by way of others, are of one kind; without any coding the text decides.
Latest is by effective date, then by last update.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from fhir_server.access.grant import Action, Filter
from fhir_server.errors import MalformedRequest, TooCostly, UnsupportedParameter
from fhir_server.exchange import FhirRequest, FhirResponse, Pairs
from fhir_server.fhir import bundle
from fhir_server.fhir.bundle import Link
from fhir_server.interactions.finder import StoreFinder, context_of
from fhir_server.interactions.searchset import is_lenient
from fhir_server.operations.arguments import PRESENTATION, read_arguments
from fhir_server.search.direction import sieve
from fhir_server.search.reading import parse
from fhir_server.search.request import SearchRequest, encode
from fhir_server.services import Services

TYPE = "Observation"
MAX_READ = 100_000
"""The most observations that are looked through for their codes."""

_SUBJECTS = ("patient", "subject")
_KINDS = ("category", "code")


async def lastn(request: FhirRequest, services: Services) -> FhirResponse:
    """A searchset with at most `max` (default 1) observations of each kind, the newest first.

    Takes the search parameters of Observation; `patient` or `subject`, and `category` or `code`,
    must be among them. Raises TooCostly when more than `MAX_READ` observations match.
    """
    pairs = request.query
    if request.body or request.resource is not None:
        names = {parameter.code for parameter in services.registry.all(TYPE)} | {"max"}
        given = read_arguments(request, services, names)
        pairs = tuple((name, str(value)) for name in sorted(names) for value in given.many(name))
    most = _most(pairs)
    asked = _parse(
        tuple(pair for pair in pairs if pair[0] != "max" and pair[0] not in PRESENTATION),
        request,
        services,
    )
    ids: list[str] = []
    if request.grant.allows(TYPE, Action.SEARCH):
        finder = StoreFinder(services.store, request.grant, request.session)
        meant = await sieve(asked.conditions[TYPE], context_of(TYPE, services), finder)
        filter_ = await (await meant.narrowed()).settled()
        ids = _latest(await _rows(filter_, finder.time, request, services), most)
    found = await services.store.read_many(
        [(TYPE, id_) for id_ in ids], request.grant, request.session
    )
    entries = [
        bundle.match_entry(f"{request.base}/{TYPE}/{id_}", found[TYPE, id_].raw)
        for id_ in ids
        if (TYPE, id_) in found
    ]
    applied = [pair for pair in asked.applied if pair[0] != "_count"]
    link = Link("self", f"{request.base}/{TYPE}/$lastn?{encode([*applied, ('max', str(most))])}")
    body = bundle.searchset(
        entries, [link], len(entries), id_=str(uuid4()), updated=time.time_ns() // 1000
    )
    return FhirResponse(200, body)


def _most(pairs: Pairs) -> int:
    values = [value for name, value in pairs if name == "max"]
    if not values:
        return 1
    if len(values) > 1 or not values[0].isascii() or not values[0].isdigit():
        raise MalformedRequest("max must be one whole number from 1", expression="http.max")
    most = int(values[0][:9])
    if most == 0:
        raise MalformedRequest("max must be one whole number from 1", expression="http.max")
    return most


def _parse(pairs: Pairs, request: FhirRequest, services: Services) -> SearchRequest:
    asked = parse((TYPE,), pairs, services.registry, lenient=is_lenient(request, services))
    named = {name.partition(":")[0].partition(".")[0] for name, _ in pairs}
    for choice in (_SUBJECTS, _KINDS):
        if not named & set(choice):
            raise MalformedRequest(
                f"$lastn needs {' or '.join(choice)} among its parameters",
                expression=f"http.{choice[0]}",
            )
    for name in ("_sort", "_include", "_revinclude", "_count", "_summary", "_elements", "_total"):
        if name in named:
            raise UnsupportedParameter(f"$lastn has no {name}", expression=f"http.{name}")
    return asked


async def _rows(
    filter_: Filter, moment: int | None, request: FhirRequest, services: Services
) -> Sequence[dict[str, Any]]:
    """Id and code keys of all that match at a moment (None for now), the newest first."""
    keys = {
        "$filter": {"input": "$k", "cond": {"$regexMatch": {"input": "$$this", "regex": _CODE}}}
    }
    stages: list[dict[str, Any]] = [
        {"$sort": {"d": -1, "u": -1, "_id": 1}},
        {"$limit": MAX_READ + 1},
        {"$project": {"k": keys}},
    ]
    rows = await services.store.selections.ordered(
        TYPE, filter_, stages, request.grant, request.session, moment
    )
    if len(rows.documents) > MAX_READ:
        raise TooCostly(
            f"More than {MAX_READ:,} observations match; narrow them by date or code",
            expression="http.date",
        )
    return rows.documents


_CODE = r"^code(=[^|]*\|.|:text=)"


def _latest(rows: Iterable[dict[str, Any]], most: int) -> list[str]:
    """The ids of the first `most` rows of each kind, kind by kind in the order of their first."""
    rows = list(rows)
    parent: dict[str, str] = {}

    def kind(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    firsts: list[str] = []
    for row in rows:
        codings = [key for key in row["k"] if key.startswith("code=")]
        keys = codings or sorted(row["k"]) or ["code:none"]
        for key in keys[1:]:
            parent[kind(key)] = kind(keys[0])
        firsts.append(keys[0])
    kinds: dict[str, list[str]] = {}
    for row, first in zip(rows, firsts, strict=True):
        ids = kinds.setdefault(kind(first), [])
        if len(ids) < most:
            ids.append(row["_id"])
    return [id_ for ids in kinds.values() for id_ in ids]
