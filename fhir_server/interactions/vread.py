"""FHIR vread interaction. https://hl7.org/fhir/R4/http.html#vread"""

from __future__ import annotations

from fhir_server.errors import NotFound
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.read import respond
from fhir_server.services import Services


async def vread(request: FhirRequest, services: Services) -> FhirResponse:
    """One version of a resource; raises NotFound, and Gone for the version that deleted it."""
    type_, id_, version = request.target.type, request.target.id, request.target.version
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise NotFound(f"{type_}/{id_} has no version '{version[:64]}'")
    found = await services.store.vread(
        type_, id_, int(version), request.grant, request.session, whole=False
    )
    return await respond(found, request, services)
