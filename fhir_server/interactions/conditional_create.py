"""FHIR conditional create. https://hl7.org/fhir/R4/http.html#ccreate"""

from __future__ import annotations

from fhir_server.errors import MultipleMatches
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import written
from fhir_server.interactions.criteria import Criteria, criteria_of_header
from fhir_server.interactions.literal_references import check_references
from fhir_server.interactions.matching import matches
from fhir_server.interactions.write import new_draft
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version


async def conditional_create(request: FhirRequest, services: Services) -> FhirResponse:
    """201 where nothing matches, 200 with the match and nothing stored where one does.

    Raises MultipleMatches for more. Of many callers with the same criteria one creates: the claim
    on the criteria is written in the same transaction as the resource, before anything is read.
    """
    criteria = criteria_of_header(request)
    draft = new_draft(request, services)
    found = await only_match(criteria, request, services, request.session)
    if found is not None:
        return written(found, 200, request)
    await check_references([draft.resource], request, services)

    async def attempt(session: Session) -> FhirResponse:
        await services.store.claim(criteria.key, session)
        found = await only_match(criteria, request, services, session)
        if found is not None:
            return written(found, 200, request)
        version = draft.version(1, services.store.stamp(), "POST")
        await services.store.insert([version], request.grant, session)
        return written(version, 201, request)

    if request.session is not None:
        return await attempt(request.session)
    return await services.store.transaction(attempt, (criteria.type,))


async def only_match(
    criteria: Criteria, request: FhirRequest, services: Services, session: Session | None
) -> Version | None:
    """The one resource that meets the criteria, None where there is none.

    Raises MultipleMatches for more than one.
    """
    found = await matches(criteria.type, criteria.pairs, request.grant, services, session, limit=2)
    if len(found) > 1:
        raise MultipleMatches(
            f"{str(criteria)[:200]} matches more than one resource; use criteria that match one"
        )
    return found[0] if found else None
