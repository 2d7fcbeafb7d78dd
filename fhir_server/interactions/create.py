"""FHIR create interaction. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import returned, written
from fhir_server.interactions.conditional_create import conditional_create
from fhir_server.interactions.literal_references import check_references
from fhir_server.interactions.write import new_draft
from fhir_server.services import Services


async def create(request: FhirRequest, services: Services) -> FhirResponse:
    """201 with the new resource under an id of the server's own; conditional by If-None-Exist.

    Raises what the body deserves: UnsupportedMediaType, MalformedContent, Unprocessable.
    """
    returned(request)
    if "if-none-exist" in request.headers:
        return await conditional_create(request, services)
    draft = new_draft(request, services)
    await check_references([draft.resource], request, services)
    version = draft.version(1, services.store.stamp(), "POST")
    await services.store.insert([version], request.grant, request.session)
    return written(version, 201, request)
