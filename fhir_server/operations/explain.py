"""$explain: how a search is carried out. An operation of this server's own; docs/operations.md."""

from __future__ import annotations

from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.explanation import explaining
from fhir_server.interactions.search_system import search_system
from fhir_server.interactions.search_type import search_type
from fhir_server.services import Services


async def explain(request: FhirRequest, services: Services) -> FhirResponse:
    """What `_explain=true` answers on the search with the same parameters."""
    search = search_type if request.target.type else search_system
    return await search(explaining(request), services)
