"""FHIR search on a type, by GET or POST. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.searchset import Scope, search
from fhir_server.services import Services


async def search_type(request: FhirRequest, services: Services) -> FhirResponse:
    """A searchset of the resources of one type that meet all criteria."""
    type_ = request.target.type
    scope = Scope((type_,), f"{request.base}/{type_}")
    return await search(scope, request.query, (), request, services)
