"""FHIR update interaction. https://hl7.org/fhir/R4/http.html#update

Every update that succeeds makes a new version, also when the content is what it was before: a
caller that was answered 200 finds the version it was told of, whichever way the update came.
"""

from __future__ import annotations

import asyncio

from fhir_server.access.grant import Grant
from fhir_server.errors import Conflict, DuplicateId, MethodNotAllowed
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import returned, written
from fhir_server.interactions.labels import keep_labels
from fhir_server.interactions.literal_references import check_references
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.write import Draft, draft_for, instant_after
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version, VersionConflict

ATTEMPTS = 40
"""How often an update without If-Match tries again when other writers were faster."""


async def update(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with the new version, 201 where it created or revived the resource.

    Raises PreconditionFailed by If-Match and If-None-Match, MethodNotAllowed where the resource
    does not exist and creation by update is switched off.
    """
    returned(request)
    draft = draft_for(request, services)
    await check_references([draft.resource], request, services)
    return await put(draft, request, services, request.session)


async def put(
    draft: Draft, request: FhirRequest, services: Services, session: Session | None
) -> FhirResponse:
    """Store the draft as the next version of its resource, and say so.

    Tries again when another writer was faster, unless the caller named the version by If-Match or
    the session's transaction decides.
    """
    for attempt in range(ATTEMPTS):
        current = await services.store.current(
            draft.type, draft.id, request.grant, session, whole=False
        )
        check_preconditions(request, current)
        try:
            version = await put_over(current, draft, request, services, session)
        except (DuplicateId, VersionConflict):
            if session is not None:
                raise
            if current is None and attempt:
                raise  # not shown to this caller, yet there: trying again cannot help
            if request.header("if-match"):
                continue  # the version is another one now: the next look says so
            await asyncio.sleep(0.001 * attempt)
            continue
        existed = current is not None and not current.deleted
        return written(version, 200 if existed else 201, request)
    raise Conflict(
        f"{draft.type}/{draft.id} changed {ATTEMPTS} times while this update was tried; "
        "send it again"
    )


async def put_over(
    current: Version | None,
    draft: Draft,
    request: FhirRequest,
    services: Services,
    session: Session | None,
    *,
    chosen: bool = True,
) -> Version:
    """Store the draft over `current` (None: nothing is there) and give back the new version.

    `chosen` tells that the id is the caller's choice and not this server's.
    """
    updated = instant_after(current, services)
    if current is None:
        check_update_create(draft, request.grant, services, chosen=chosen)
        version = draft.version(1, updated, "PUT")
        await services.store.insert([version], request.grant, session)
    else:
        draft = keep_labels(draft, await services.store.outlined(current), services)
        version = draft.version(current.version + 1, updated, "PUT")
        await services.store.replace(version, current, request.grant, session)
    return version


def check_update_create(
    draft: Draft, grant: Grant, services: Services, *, chosen: bool = True
) -> None:
    """Raise MethodNotAllowed unless an update may create what does not exist.

    Nor may who does not see all of the type choose an id (`chosen`): the answer would tell whether
    something hidden has it already.
    """
    if not services.settings.update_create or (chosen and not grant.shows_all(draft.type)):
        raise MethodNotAllowed(
            f"{draft.type}/{draft.id} does not exist, and you cannot create it by update; "
            f"POST it to {draft.type}",
            headers=[("Allow", "GET, HEAD, DELETE")],
        )
