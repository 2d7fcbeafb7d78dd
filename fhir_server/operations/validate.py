"""$validate: whether a resource could be stored.

https://hl7.org/fhir/R4/resource-operation-validate.html. The answer is 200 with an
OperationOutcome, also when the resource is faulty; another status means that there was nothing that
could be validated.
"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import FhirError, Issue, MalformedContent, MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.interactions.content import read_content
from fhir_server.operations.arguments import Arguments, read_arguments
from fhir_server.services import Services

MODES = ("create", "update", "delete", "profile")
_NAMES = ("resource", "mode", "profile")


async def validate(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with every fault of the resource that was sent, or of the stored one where none was.

    The resource is the body, or the parameter `resource` of a Parameters body; of a Bundle, each
    entry is looked at. It is held to the profiles that it claims and to those that are asked for:
    one of these that is not known is an error, as nobody could say then that it is met. Raises
    MalformedContent for a body that cannot be read, NotFound and Gone for what is not stored.
    """
    resource, arguments = _read(request, services)
    mode = arguments.text("mode")
    if mode and mode not in MODES:
        raise MalformedRequest(
            f"mode={mode[:40]} is not known; use {', '.join(MODES)}", expression="http.mode"
        )
    type_, id_ = request.target.type, request.target.id
    if mode == "delete":
        return await _validate_deletion(request, services)
    if resource is None:
        if not id_:
            raise MalformedContent("There is nothing to validate; send the resource as the body")
        stored = await services.store.read(type_, id_, request.grant, request.session)
        resource = codec.value(stored.raw)
    profiles = [str(profile) for profile in arguments.many("profile")]
    if mode == "profile" and not profiles:
        raise MalformedRequest(
            "mode=profile needs the parameter profile", expression="http.profile"
        )
    issues = _check_identity(resource, request, mode)
    if not issues:
        issues = list(services.validator.validate(resource, profiles=profiles))
    return FhirResponse(200, outcome_bytes(issues))


def _read(request: FhirRequest, services: Services) -> tuple[Resource | None, Arguments]:
    """The resource to validate (None where none was sent) and the other arguments."""
    if not request.body and request.resource is None:
        return None, read_arguments(request, services, _NAMES)
    body: dict[str, Any] = read_content(request, services).resource
    if not _is_wrapped(body, request):
        pairs = [(name, value) for name, value in request.query if name in ("mode", "profile")]
        read_arguments(request, services, _NAMES, {"resourceType": "Parameters"})
        return body, Arguments(pairs)
    arguments = read_arguments(request, services, _NAMES, body)
    resource = arguments.one("resource")
    if resource is not None and not isinstance(resource, dict):
        raise MalformedContent("The parameter resource must hold a resource", expression="resource")
    return resource, arguments


def _is_wrapped(body: dict[str, Any], request: FhirRequest) -> bool:
    """Whether the body is the call's Parameters, and not a Parameters resource to validate."""
    if body.get("resourceType") != "Parameters":
        return False
    if request.target.type != "Parameters":
        return True
    rows = body.get("parameter")
    names = [row.get("name") for row in rows if isinstance(row, dict)] if rows else []
    return "resource" in names and set(names) <= set(_NAMES)


def _check_identity(resource: Resource, request: FhirRequest, mode: str) -> list[Issue]:
    """Whether the resource is of the URL's type, and for an update, of the URL's id."""
    type_, id_ = request.target.type, request.target.id
    found = resource.get("resourceType")
    if found != type_:
        text = f"The resource is a {str(found)[:80]}, but the URL says {type_}"
        return [Issue("error", "invalid", text, (f"{str(found)[:80]}.resourceType",))]
    if mode == "update" and id_ and resource.get("id") != id_:
        text = f"The resource has the id {str(resource.get('id'))[:80]}, but the URL says {id_}"
        return [Issue("error", "invalid", text, (f"{type_}.id",))]
    return []


async def _validate_deletion(request: FhirRequest, services: Services) -> FhirResponse:
    type_, id_ = request.target.type, request.target.id
    if not id_:
        raise MalformedRequest(f"mode=delete needs the resource: {type_}/[id]/$validate")
    issues: list[Issue] = []
    try:
        await services.store.read(type_, id_, request.grant, request.session)
    except FhirError as error:
        issues += error.issues
    return FhirResponse(200, outcome_bytes(issues))
