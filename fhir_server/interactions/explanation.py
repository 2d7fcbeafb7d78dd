"""How a search is carried out: `_explain=true` on any search, and `$explain`.

For callers alone from whom nothing of the types searched is hidden: what is examined counts
resources that others must not know of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from fhir_server.access.grant import Action
from fhir_server.errors import Forbidden
from fhir_server.exchange import FhirRequest, FhirResponse, Pairs
from fhir_server.fhir import codec
from fhir_server.interactions.walk import first_lot
from fhir_server.search.compile import Query
from fhir_server.search.conditions import Chain, Condition, Has
from fhir_server.search.criteria import malformed
from fhir_server.search.keyset import stretches
from fhir_server.search.request import SearchRequest
from fhir_server.search.sort import MAX_SORTED
from fhir_server.services import Services
from fhir_server.store.resources import PageQuery

PARAMETER = "_explain"
_SHOWN = 20
"""Alternatives of a filter that are shown; a chain may have 100,000."""

Parts = list[dict[str, Any]]


def take_explain(pairs: Pairs, types: Sequence[str], request: FhirRequest) -> tuple[bool, Pairs]:
    """Whether `_explain=true` is among the pairs of a search of the types, and the other pairs.

    Raises Forbidden for callers who may not see how a search is carried out, MalformedRequest for a
    value other than true and false.
    """
    values = {value for name, value in pairs if name == PARAMETER and value}
    if not values:
        return False, pairs
    if not values <= {"true", "false"} or len(values) > 1:
        raise malformed(PARAMETER, "must be true or false")
    rest = tuple(pair for pair in pairs if pair[0] != PARAMETER)
    if "true" not in values:
        return False, rest
    if any(request.grant.filter(type_, Action.SEARCH) for type_ in types):
        raise Forbidden("Not permitted: how a search is carried out")
    return True, rest


async def explanation(
    asked: SearchRequest,
    queries: Sequence[Query],
    began: float,
    request: FhirRequest,
    services: Services,
) -> FhirResponse:
    """A Parameters resource with one `query` for each type that the first page is read from.

    `began` is `perf_counter` from before the search was compiled: chains were followed since.
    """
    compiled = perf_counter()
    stored = set(await services.store.types())
    parameters: Parts = [
        {"name": "applied", "valueString": asked.query},
        {"name": "compiled", "valueDecimal": round((compiled - began) * 1000, 3)},
    ]
    for query in queries:
        if query.type in stored:
            page = _first_page(query, asked.count)
            found = await services.store.explain(page, request.grant)
            parameters.append({"name": "query", "part": _parts(query, page, found)})
    seconds = perf_counter() - compiled
    parameters.append({"name": "examined", "valueDecimal": round(seconds * 1000, 3)})
    return FhirResponse(200, codec.encode({"resourceType": "Parameters", "parameter": parameters}))


def _first_page(query: Query, limit: int) -> PageQuery:
    if query.order is None:
        return PageQuery(query.type, query.filter, (), MAX_SORTED + 1)
    first = stretches(query.filter, query.order, None, backwards=False, merged=query.merged)[0]
    rows = first_lot(limit + 1) if query.sieve else limit + 1
    return PageQuery(query.type, first.filter, tuple(first.sort.items()), rows)


def _parts(query: Query, page: PageQuery, found: dict[str, Any]) -> Parts:
    sort = [f"{'-' if way < 0 else ''}{name}" for name, way in page.sort]
    if query.order is None:
        sort = [f"{'-' if key.descending else ''}{key.parameter.code}" for key in query.keys]
    texts = [
        ("type", query.type),
        ("filter", codec.encode(_shortened(found["filter"])).decode()),
        ("sort", ",".join(sort)),
        *(("asked", _step(condition)) for condition in (query.sieve.rest if query.sieve else ())),
        *(("index", name) for name in found["indexes"]),
        *(("stage", name) for name in found["stages"]),
    ]
    numbers = ("keys", "documents", "returned", "milliseconds")
    return [
        *({"name": name, "valueString": text} for name, text in texts if text),
        *({"name": name, "valueInteger": int(found[name])} for name in numbers),
    ]


def _step(condition: Condition) -> str:
    """The first step of a chain that is asked of each lot of rows."""
    match condition:
        case Chain():
            return condition.reference.code
        case Has():
            return f"_has:{condition.type}:{condition.reference.code}"
    return "_filter"


def _shortened(value: Any) -> Any:
    """The filter with its long lists cut: the number of what is left out stands at their end."""
    if isinstance(value, dict):
        return {name: _shortened(child) for name, child in value.items()}
    if isinstance(value, list):
        more = len(value) - _SHOWN
        shown = [_shortened(child) for child in value[:_SHOWN]]
        return [*shown, f"... {more:,} more"] if more > 0 else shown
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def explaining(request: FhirRequest) -> FhirRequest:
    """The same search with `_explain=true`."""
    return replace(request, query=(*request.query, (PARAMETER, "true")))
