"""FHIR history of an instance, of a type and of the system.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from time import time_ns
from uuid import uuid4

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import bundle
from fhir_server.interactions.searchset import is_lenient, paging_of
from fhir_server.search.history_request import parse_history
from fhir_server.search.paging import Edges, Linker
from fhir_server.services import Services
from fhir_server.store.resources import HistoryQuery, Place, Version


async def history_instance(request: FhirRequest, services: Services) -> FhirResponse:
    """The versions of one resource, deletions among them. Raises NotFound for an unknown id."""
    return await _history(request, services, request.target.type, request.target.id)


async def history_type(request: FhirRequest, services: Services) -> FhirResponse:
    """The versions of all resources of a type."""
    return await _history(request, services, request.target.type, None)


async def history_system(request: FhirRequest, services: Services) -> FhirResponse:
    """The versions of everything."""
    return await _history(request, services, None, None)


async def _history(
    request: FhirRequest, services: Services, type_: str | None, id_: str | None
) -> FhirResponse:
    if request.session is not None:
        # MongoDB merges no collections inside a transaction.
        raise MalformedRequest(
            "A transaction cannot ask for a history; ask by itself or in a batch",
            code="not-supported",
        )
    asked = parse_history(request.query, paging_of(services), lenient=is_lenient(request, services))
    place = "/".join(part for part in (request.base, type_, id_, "_history") if part)
    linker = Linker(place, asked.query, request.grant, services.cursor_key)
    cursor = linker.current(asked.cursor)
    page = await services.store.history(
        HistoryQuery(
            type_,
            id_,
            asked.since,
            asked.at,
            Place(*cursor.values) if cursor else None,
            asked.count,
            asked.order,
            cursor.time if cursor else None,
            total=cursor is None or cursor.total is None,
        ),
        request.grant,
        request.session,
    )
    total = cursor.total if cursor and cursor.total is not None else page.total
    edges = Edges(after=page.after if asked.count else None)
    entries = [_entry(version, request.base) for version in page.versions]
    body = bundle.history(
        entries,
        linker.links(edges, asked.cursor, page.cluster_time, total),
        total,
        id_=str(uuid4()),
        updated=time_ns() // 1000,
    )
    return FhirResponse(200, body)


def _entry(version: Version, base: str) -> bytes:
    place = f"{version.type}/{version.id}"
    return bundle.history_entry(
        f"{base}/{place}",
        None if version.deleted else version.raw,
        method=version.method,
        url=version.type if version.method == "POST" else place,
        status=_status(version),
        version=version.version,
        updated=version.updated,
    )


def _status(version: Version) -> str:
    if version.deleted:
        return "204 No Content"
    return "201 Created" if version.version == 1 else "200 OK"
