"""FHIR delete interaction. https://hl7.org/fhir/R4/http.html#delete

References to the resource do not stop its deletion: they stay, and reading their target is 410.
"""

from __future__ import annotations

import asyncio

from fhir_server.errors import Conflict
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import deleted, returned
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.update import ATTEMPTS
from fhir_server.interactions.write import instant_after
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version, VersionConflict


async def delete(request: FhirRequest, services: Services) -> FhirResponse:
    """204, or 200 with an outcome where one was asked for; the same when nothing is there.

    Only the first delete makes a version. Raises PreconditionFailed by If-Match.
    """
    returned(request)
    type_, id_ = request.target.type, request.target.id
    for attempt in range(ATTEMPTS):
        current = await services.store.current(
            type_, id_, request.grant, request.session, whole=False
        )
        check_preconditions(request, current)
        if current is None or current.deleted:
            return deleted(None, request)
        try:
            gone = await remove(current, request, services, request.session)
        except VersionConflict:
            if request.session is not None:
                raise
            await asyncio.sleep(0.001 * attempt)
            continue
        return deleted(gone, request)
    raise Conflict(
        f"{type_}/{id_} changed {ATTEMPTS} times while its deletion was tried; send it again"
    )


async def remove(
    current: Version, request: FhirRequest, services: Services, session: Session | None
) -> Version:
    """Put the deletion in the place of `current` and give it back."""
    gone = deletion(current, instant_after(current, services))
    await services.store.replace(gone, current, request.grant, session)
    return gone


def deletion(current: Version, updated: int) -> Version:
    """The version that ends `current`; `updated` is in microseconds since 1970 UTC."""
    return Version(
        current.type, current.id, current.version + 1, updated, b"", "DELETE", deleted=True
    )
