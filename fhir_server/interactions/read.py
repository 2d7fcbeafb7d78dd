"""FHIR read interaction. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache

from fhir_server.errors import NotFound
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.subset import subset_bytes
from fhir_server.interactions.answer import version_headers
from fhir_server.interactions.binary import raw_binary, wants_raw
from fhir_server.interactions.security_context import read_in_context
from fhir_server.services import Services
from fhir_server.store.resources import Version


async def read(request: FhirRequest, services: Services) -> FhirResponse:
    """The current version, or 304 where the caller has it; raises NotFound, Gone."""
    type_, id_ = request.target.type, request.target.id
    try:
        found = await services.store.read(type_, id_, request.grant, request.session, whole=False)
    except NotFound:
        if type_ != "Binary":
            raise
        in_context = await read_in_context(request, services)
        if in_context is None:
            raise
        found = in_context
    return await respond(found, request, services)


async def respond(found: Version, request: FhirRequest, services: Services) -> FhirResponse:
    """A version with its ETag and Last-Modified, trimmed by `_summary` and `_elements`.

    One too large for a document streams from where it lies, where nothing is trimmed.
    """
    headers = version_headers(found)
    if is_not_modified(found, request):
        return FhirResponse(304, headers=headers)
    raw = found.type == "Binary" and wants_raw(request)
    if found.blob is not None and not raw and not request.query:
        return FhirResponse(200, headers=headers, stream=services.store.content(found))
    if raw:
        return await raw_binary(found, request, headers, services)
    found = await services.store.whole(found)
    body = subset_bytes(found.raw, request.query, services.definitions) if request.query else None
    return FhirResponse(200, found.raw if body is None else body, headers)


def is_not_modified(found: Version, request: FhirRequest) -> bool:
    """Whether the caller's copy is the current one; If-None-Match wins over If-Modified-Since."""
    tags = request.header("if-none-match")
    if tags:
        return tags.strip() == "*" or str(found.version) in entity_tags(tags)
    since = request.header("if-modified-since")
    if not since:
        return False
    try:
        return found.updated // 1_000_000 <= int(parsedate_to_datetime(since).timestamp())
    except (ValueError, TypeError):
        return False  # RFC 9110, 13.1.3: a date that is none is ignored


@lru_cache(maxsize=1024)  # versions have low numbers: the same few come
def entity_tags(header: str) -> Sequence[str]:
    """The opaque parts of a list of entity tags, weak or strong: `W/"3", "4"` -> 3, 4."""
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return tuple(tag.strip('"') for tag in tags if tag)
