"""FHIR conditional delete. https://hl7.org/fhir/R4/http.html#3.1.0.7.1"""

from __future__ import annotations

from fhir_server.errors import MultipleMatches
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import deleted, returned
from fhir_server.interactions.criteria import Criteria, criteria_of_query
from fhir_server.interactions.delete import remove
from fhir_server.interactions.matching import matches
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version


async def conditional_delete(request: FhirRequest, services: Services) -> FhirResponse:
    """204, or 200 with an outcome, for none, one, or all matches where the settings allow several.

    Raises MultipleMatches where they do not; all of them are deleted, or none.
    """
    returned(request)
    criteria = criteria_of_query(request)

    async def attempt(session: Session) -> FhirResponse:
        found = await matches_to_delete(criteria, request, services, session)
        if request.header("if-match"):
            check_preconditions(request, found[0] if found else None)
        gone = []
        for match in found:
            current = await services.store.current(match.type, match.id, request.grant, session)
            if current is not None:
                gone.append(await remove(current, request, services, session))
        last = gone[0] if len(gone) == 1 else None
        return deleted(last, request, f"{len(gone)} resources are deleted")

    if request.session is not None:
        return await attempt(request.session)
    return await services.store.transaction(attempt, (criteria.type,))


async def matches_to_delete(
    criteria: Criteria, request: FhirRequest, services: Services, session: Session | None
) -> list[Version]:
    """What a conditional delete would delete; MultipleMatches where that is too much."""
    several = services.settings.conditional_delete == "multiple" and not request.header("if-match")
    found = await matches(
        criteria.type,
        criteria.pairs,
        request.grant,
        services,
        session,
        limit=None if several else 2,
    )
    if len(found) > 1 and not several:
        raise MultipleMatches(
            f"{str(criteria)[:200]} matches more than one resource; "
            "this conditional delete takes criteria that match one"
        )
    return found
