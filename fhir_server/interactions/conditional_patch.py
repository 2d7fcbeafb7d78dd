"""FHIR conditional patch. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

from fhir_server.errors import NotFound
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import returned, written
from fhir_server.interactions.conditional_create import only_match
from fhir_server.interactions.criteria import criteria_of_query
from fhir_server.interactions.patch import patch_over, read_change
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.services import Services
from fhir_server.store.transaction import Session


async def conditional_patch(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with the new version of the one match; raises NotFound for none, MultipleMatches."""
    returned(request)
    criteria = criteria_of_query(request)
    change = read_change(request, services)

    async def attempt(session: Session) -> FhirResponse:
        found = await only_match(criteria, request, services, session)
        check_preconditions(request, found)
        if found is None:
            raise NotFound(f"{str(criteria)[:200]} matches nothing that could be patched")
        current = await services.store.current(found.type, found.id, request.grant, session)
        version = await patch_over(current or found, change, request, services, session)
        return written(version, 200, request)

    if request.session is not None:
        return await attempt(request.session)
    return await services.store.transaction(attempt, (criteria.type,))
