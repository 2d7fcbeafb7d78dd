"""FHIR patch interaction. https://hl7.org/fhir/R4/http.html#patch

JSON Patch (RFC 6902) and FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html); not XML Patch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fhir_server.access.grant import Action
from fhir_server.errors import (
    Conflict,
    Gone,
    MalformedContent,
    MethodNotAllowed,
    NotFound,
    Unprocessable,
    UnsupportedMediaType,
)
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.elements import Content
from fhir_server.fhir.patch.fhirpath_patch import fhirpath_patch
from fhir_server.fhir.patch.json_patch import json_patch
from fhir_server.interactions.answer import returned, written
from fhir_server.interactions.content import JSON, XML, media_type, read_content
from fhir_server.interactions.literal_references import (
    check_references,
    refuse_conditional_references,
)
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.update import ATTEMPTS
from fhir_server.interactions.write import Draft, check, draft, instant_after
from fhir_server.services import Services
from fhir_server.store.permission import demand
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version, VersionConflict

JSON_PATCH = "application/json-patch+json"

Change = Callable[[Resource], Resource]
"""The patched resource of a resource, which is left as it was."""


async def patch(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with the patched resource as a new version; all changes are made or none.

    Raises UnsupportedMediaType, MalformedContent for a patch that is none, Unprocessable for one
    that cannot be applied or leaves a faulty resource, PreconditionFailed by If-Match.
    """
    returned(request)
    change = read_change(request, services)
    type_, id_ = request.target.type, request.target.id
    for attempt in range(ATTEMPTS):
        current = await services.store.current(type_, id_, request.grant, request.session)
        check_preconditions(request, current)
        if current is None:
            raise NotFound(f"{type_}/{id_} does not exist; a patch needs something to change")
        if current.deleted:
            raise Gone(f"{type_}/{id_} was deleted; a patch needs something to change")
        try:
            version = await patch_over(current, change, request, services, request.session)
        except VersionConflict:
            if request.session is not None:
                raise
            await asyncio.sleep(0.001 * attempt)
            continue
        return written(version, 200, request)
    raise Conflict(
        f"{type_}/{id_} changed {ATTEMPTS} times while this patch was tried; send it again"
    )


async def patch_over(
    current: Version,
    change: Change,
    request: FhirRequest,
    services: Services,
    session: Session | None,
) -> Version:
    """Store what the change makes of `current` as its next version, and give that back."""
    new = patched(current, change, request, services)
    refuse_conditional_references(new.resource, new.raw)
    await check_references([new.resource], request, services)
    version = new.version(current.version + 1, instant_after(current, services), "PATCH")
    await services.store.replace(version, current, request.grant, session)
    return version


def patched(current: Version, change: Change, request: FhirRequest, services: Services) -> Draft:
    """The checked result of the change; Unprocessable where it touches what is the server's.

    A patch can test what it changes, and its answer shows the rest: Forbidden for who may not read.
    """
    demand(request.grant, Action.READ, current)
    size = len(current.raw)
    before = codec.decode(current.raw, max_bytes=size, max_depth=services.settings.max_depth + 1)
    after = change(before)
    if not isinstance(after, dict):
        raise Unprocessable("The patch leaves no JSON object", expression=current.type)
    _check_untouched(current, before, after)
    content = Content(after, codec.encode(after))
    check(content, request, services)
    return draft(content, current.id, services)


def read_change(request: FhirRequest, services: Services) -> Change:
    """The change that the body describes, in the way that its content type says."""
    if request.target.type == "Binary":
        raise MethodNotAllowed(
            "A Binary cannot be patched; update it as a whole",
            headers=[("Allow", "GET, HEAD, PUT, DELETE")],
        )
    media = media_type(request)
    if media == JSON_PATCH:
        body = request.body
        if not body:
            raise MalformedContent("The body is empty; a JSON Patch is an array of operations")
        return lambda resource: json_patch(resource, body)
    if media in JSON or media in XML:
        parameters = read_content(request, services).resource
        if parameters.get("resourceType") != "Parameters":
            raise MalformedContent(
                "A FHIRPath Patch is a Parameters resource; for JSON Patch send "
                f"Content-Type {JSON_PATCH}",
                expression="resourceType",
            )
        return lambda resource: fhirpath_patch(resource, parameters)
    raise UnsupportedMediaType(
        f"Content-Type '{media[:80]}' is no patch that is read here; send {JSON_PATCH}, "
        "or a FHIRPath Patch as application/fhir+json",
        headers=[("Accept-Patch", f"{JSON_PATCH}, application/fhir+json, application/fhir+xml")],
    )


def _check_untouched(current: Version, before: Resource, after: Resource) -> None:
    meta, kept = after.get("meta"), before["meta"]
    now = meta if isinstance(meta, dict) else {}
    for place, touched in (
        ("resourceType", after.get("resourceType") != current.type),
        ("id", after.get("id") != current.id),
        ("meta.versionId", now.get("versionId", kept["versionId"]) != kept["versionId"]),
        ("meta.lastUpdated", now.get("lastUpdated", kept["lastUpdated"]) != kept["lastUpdated"]),
    ):
        if touched:
            raise Unprocessable(
                f"A patch cannot change {place}: it is the server's",
                expression=f"{current.type}.{place}",
            )
