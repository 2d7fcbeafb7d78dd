"""FHIR conditional update. https://hl7.org/fhir/R4/http.html#cond-update"""

from __future__ import annotations

from fhir_server.errors import Conflict, MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.elements import named
from fhir_server.interactions.answer import returned, written
from fhir_server.interactions.conditional_create import only_match
from fhir_server.interactions.content import read_known
from fhir_server.interactions.criteria import criteria_of_query
from fhir_server.interactions.literal_references import (
    check_references,
    refuse_conditional_references,
)
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.update import put_over
from fhir_server.interactions.write import check, checked_type, draft
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version


async def conditional_update(request: FhirRequest, services: Services) -> FhirResponse:
    """Update of the one match, or creation where nothing matches.

    The body's id may be left out; where it is given it must be the match's (MalformedRequest) or,
    without a match, name nothing that exists (Conflict). Raises MultipleMatches for more matches.
    """
    returned(request)
    criteria = criteria_of_query(request)
    content = read_known(request, services)
    checked_type(content, request.target.type)
    given = content.resource.get("id")
    new_id = services.new_id()
    if given is None:
        content = named(content, new_id)
    check(content, request, services)
    refuse_conditional_references(content.resource, content.raw)
    await check_references([content.resource], request, services)

    async def attempt(session: Session) -> FhirResponse:
        await services.store.claim(criteria.key, session)
        found = await only_match(criteria, request, services, session)
        id_ = conditional_id(content.resource, given, found.id if found else None) or new_id
        current = await services.store.current(
            criteria.type, id_, request.grant, session, whole=False
        )
        if found is None:
            check_unused(given, current)
        check_preconditions(request, current)
        new = draft(content, id_, services, request.upload)
        version = await put_over(current, new, request, services, session, chosen=given is not None)
        return written(version, 201 if found is None else 200, request)

    if request.session is not None:
        return await attempt(request.session)
    return await services.store.transaction(attempt, (criteria.type,))


def conditional_id(resource: Resource, given: str | None, found: str | None) -> str | None:
    """The id to write under, None where it is free; `given` is in the body, `found` the match's.

    Raises MalformedRequest where they differ.
    """
    if found is not None and given is not None and given != found:
        raise MalformedRequest(
            f"The body's id '{given}' is not that of the match, '{found}'",
            expression=f"{resource['resourceType']}.id",
        )
    return found or given


def check_unused(given: str | None, current: Version | None) -> None:
    """Raise Conflict where nothing matched and yet the body's id names something."""
    if given is not None and current is not None and not current.deleted:
        raise Conflict(
            f"Nothing matches the criteria, but {current.type}/{given} exists; "
            "update it by its id, or leave the id out"
        )
