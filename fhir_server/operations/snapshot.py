"""StructureDefinition/$snapshot: a definition with the snapshot that its differential comes to.

https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import MalformedContent, MalformedRequest, NotFound
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.interactions.content import read_content
from fhir_server.interactions.write import refuse
from fhir_server.operations.arguments import read_arguments
from fhir_server.services import Services
from fhir_server.validation.profiles.snapshot import make_snapshot

_NAMES = ("definition", "url")


async def snapshot(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with the StructureDefinition, its snapshot made anew from its differential.

    It is the stored one that the URL names, the one sent (as the body, or as the parameter
    `definition`), or the known one whose canonical is given as `url`. Unprocessable where its base
    is not known or the differential does not fit on it.
    """
    definition = await _definition(request, services)
    if definition.get("resourceType") != "StructureDefinition":
        raise MalformedContent("There is no StructureDefinition to make a snapshot of")
    refuse(services.validator.structure(definition))
    if definition.get("differential"):
        definition = {k: v for k, v in definition.items() if k != "snapshot"}
    made = make_snapshot(definition, services.validator.library.find)
    return FhirResponse(200, codec.encode({**definition, "snapshot": {"element": made}}))


async def _definition(request: FhirRequest, services: Services) -> Resource:
    if request.target.id:
        target = request.target
        stored = await services.store.read(target.type, target.id, request.grant, request.session)
        resource: Resource = codec.value(stored.raw)
        return resource
    body: dict[str, Any] | None = None
    if request.body or request.resource is not None:
        body = read_content(request, services).resource
        if body.get("resourceType") != "Parameters":
            return dict(body)
    arguments = read_arguments(request, services, _NAMES, body)
    given = arguments.one("definition")
    if isinstance(given, dict):
        return dict(given)
    url = arguments.text("url")
    if not url:
        raise MalformedRequest(
            "Say of which definition: StructureDefinition/[id]/$snapshot, url, or the body"
        )
    found = services.validator.library.find(url)
    if found is None:
        raise NotFound(f"The StructureDefinition {url[:200]} is not known here")
    return found
