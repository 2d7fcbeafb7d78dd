"""A search carried out: from the pairs of a request to the Bundle that answers it.

Every step, also each include and each link of a chain, is a search on the store under the caller's
grant. https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import urandom
from time import perf_counter, time_ns
from typing import Literal

import msgspec

from fhir_server.access.grant import Action
from fhir_server.errors import Issue, UnsupportedMediaType
from fhir_server.exchange import FhirRequest, FhirResponse, Pairs, Prefer
from fhir_server.fhir import bundle
from fhir_server.fhir.bundle import Link
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.fhir.subset import subset_bytes
from fhir_server.interactions.contained import contained_in, container_queries
from fhir_server.interactions.explanation import explanation, take_explain
from fhir_server.interactions.finder import StoreFinder, context_of
from fhir_server.interactions.inclusion import included
from fhir_server.interactions.rows import Reader, Rows
from fhir_server.search.chain import inside, resolve
from fhir_server.search.compile import Part, Query, combine, plan
from fhir_server.search.cursor import Cursor
from fhir_server.search.direction import sieve
from fhir_server.search.paging import Edges, Linker
from fhir_server.search.request import Paging, SearchRequest
from fhir_server.search.understanding import understand
from fhir_server.services import Services
from fhir_server.store.resources import Version
from fhir_server.store.transaction import each


class Scope(msgspec.Struct, frozen=True):
    """Where a search looks: its types, the URL of its links, and the compartment it keeps to.

    `compartment` is such as `Patient/1`; empty for none.
    """

    types: tuple[str, ...]
    url: str
    compartment: str = ""


async def search(
    scope: Scope, pairs: Pairs, applied: Pairs, request: FhirRequest, services: Services
) -> FhirResponse:
    """The Bundle that answers a search by `pairs`; `applied` goes before them in the links.

    Raises UnsupportedParameter and MalformedRequest for what is not understood, TooCostly for
    what would sort or chain through too much, UnsupportedMediaType for a body that is no form.
    """
    if request.body:  # a form's pairs are taken out of it before
        raise UnsupportedMediaType(
            "A search by POST has its parameters in a form: send it as "
            "application/x-www-form-urlencoded, or send no body"
        )
    began = perf_counter()
    explained, pairs = take_explain(pairs, scope.types, request)
    asked, query, parts = understand(
        scope.types,
        pairs,
        applied,
        services.registry,
        services.settings.base,
        lenient=is_lenient(request, services),
        paging=paging_of(services),
    )
    linker = Linker(scope.url, query, request.grant, services.cursor_key)
    cursor = None if asked.counts_only else linker.current(asked.cursor)
    time = cursor.time if cursor else None
    finder = StoreFinder(services.store, request.grant, request.session, time)
    if parts is None:
        queries = await compile_queries(scope, asked, request, services, finder)
    else:
        queries = planned(scope, asked, parts, request)
    if explained:
        return await explanation(asked, queries, began, request, services)
    if asked.counts_only:
        total = _at_most(await count(queries, request, services, finder.time), asked)
        links = linker.links(Edges(), "", None, None)
        return _answer(outcome_entries(asked.warnings), links, total)
    start = cursor.before if cursor else 0
    limit = asked.count
    if asked.most is not None and not (cursor and cursor.backwards):
        limit = min(limit, asked.most - start)
    reader = Reader(services.store, request.grant, request.session, limit, bool(asked.includes))
    rows = await reader.read(queries, cursor, finder.time)
    return await _page(asked, queries, rows, cursor, linker, request, services)


async def _page(
    asked: SearchRequest,
    queries: Sequence[Query],
    rows: Rows,
    cursor: Cursor | None,
    linker: Linker,
    request: FhirRequest,
    services: Services,
) -> FhirResponse:
    total = cursor.total if cursor else None
    if cursor is None and asked.total != "none":
        if rows.edges.after is None:
            total = len(rows.versions)
        elif asked.total:
            total = await count(queries, request, services, rows.time)
    start, end = _span(rows, cursor)
    edges = rows.edges
    if asked.most is not None:
        total = None if total is None else _at_most(total, asked)
        edges = edges if end < asked.most else replace(edges, after=None)
    matches = rows.versions
    if asked.contained_type == "contained" and asked.contained != "false":
        matches = await contained_in(matches, queries, request, services, rows.time)
    others = await included(rows.versions, asked.includes, request, services)
    entries = [
        *_entries(matches, "match", asked, request, services),
        *_entries(others.versions, "include", asked, request, services),
        *outcome_entries((*asked.warnings, *others.warnings)),
    ]
    return _answer(
        entries, linker.links(edges, asked.cursor, rows.time, total, (start, end)), total
    )


def _span(rows: Rows, cursor: Cursor | None) -> tuple[int, int]:
    """The rows before a page, and those up to its end."""
    place, size = cursor.before if cursor else 0, len(rows.versions)
    return (place - size, place) if cursor and cursor.backwards else (place, place + size)


def _at_most(total: int, asked: SearchRequest) -> int:
    return total if asked.most is None else min(total, asked.most)


def paging_of(services: Services) -> Paging:
    """How long pages are, as the settings say."""
    return Paging(services.settings.page_size, services.settings.page_size_max)


def is_lenient(request: FhirRequest, services: Services) -> bool:
    """Whether unknown parameters are ignored visibly: `Prefer: handling=`, else the settings."""
    header = request.header("prefer")
    handling = Prefer(header).handling if header else ""
    return (handling or services.settings.search_handling) == "lenient"


def planned(
    scope: Scope,
    asked: SearchRequest,
    parts: Mapping[str, Sequence[Part]],
    request: FhirRequest,
) -> list[Query]:
    """As `compile_queries`, of parts that are compiled already."""
    alone = len(parts) == 1
    return [
        plan(type_, combine([*inside(scope.compartment), *found]), asked.sort, alone=alone)
        for type_, found in parts.items()
        if request.grant.allows(type_, Action.SEARCH)
    ]


async def compile_queries(
    scope: Scope,
    asked: SearchRequest,
    request: FhirRequest,
    services: Services,
    finder: StoreFinder | None = None,
) -> list[Query]:
    """One query for each type that the caller may search at all.

    With a `finder` the queries are for the moment that it reads, and chains may be followed from
    what is there then.
    """
    queries = []
    for type_, conditions in asked.conditions.items():
        if not request.grant.allows(type_, Action.SEARCH):
            continue
        context = context_of(type_, services)
        here = finder or StoreFinder(services.store, request.grant, request.session)
        if asked.contained != "false":
            inside = await resolve(conditions, context, here)
            queries += await container_queries(
                type_, inside, scope.compartment, asked, request, services
            )
        if asked.contained == "true":
            continue
        alone = len(asked.conditions) == 1 and asked.contained == "false"
        if finder is None:
            filter_ = await resolve(conditions, context, here, compartment=scope.compartment)
            queries.append(plan(type_, filter_, asked.sort, alone=alone))
            continue
        found = await sieve(conditions, context, finder, compartment=scope.compartment)
        query = plan(type_, found.filter, asked.sort, alone=alone)
        if found.rest and alone and query.order and not asked.counts_all:
            query = replace(query, sieve=found)
        elif found.rest:
            query = replace(query, filter=await (await found.narrowed()).settled())
        queries.append(query)
    return queries


async def count(
    queries: Sequence[Query], request: FhirRequest, services: Services, time: int | None
) -> int:
    """How many matches there are, of all types and pages, at a moment (None for now)."""

    def matches(query: Query) -> Awaitable[int]:
        session = request.session
        return services.store.count(query.type, query.filter, request.grant, session, time)

    return sum(await each(request.session, matches, queries))


def _entries(
    versions: Iterable[Version],
    mode: Literal["match", "include"],
    asked: SearchRequest,
    request: FhirRequest,
    services: Services,
) -> list[bytes]:
    if asked.summary or asked.elements:
        elements: Iterable[str] = asked.elements
        if mode == "include":  # _elements is about the matches, unless it names the type
            elements = (name for name in asked.elements if "." in name)
        trimming = [("_summary", asked.summary), ("_elements", ",".join(elements))]
        versions = [_trimmed(version, trimming, services) for version in versions]
    return bundle.match_entries(request.base, versions, mode)


def _trimmed(version: Version, trimming: Sequence[tuple[str, str]], services: Services) -> Version:
    raw = subset_bytes(version.raw, trimming, services.definitions)
    return version if raw is None else msgspec.structs.replace(version, raw=raw)


def outcome_entries(warnings: Sequence[str]) -> list[bytes]:
    """One entry that tells the warnings; none where there are none."""
    if not warnings:
        return []
    issues = [Issue("warning", "not-supported", text) for text in warnings]
    return [bundle.match_entry("", outcome_bytes(issues), "outcome")]


def _answer(entries: Sequence[bytes], links: Sequence[Link], total: int | None) -> FhirResponse:
    body = bundle.searchset(entries, links, total, id_=urandom(16).hex(), updated=time_ns() // 1000)
    return FhirResponse(200, body)
