"""FHIR capabilities interaction. https://hl7.org/fhir/R4/http.html#capabilities"""

from __future__ import annotations

from typing import Any

from fhir_server import __version__
from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode
from fhir_server.operations.table import OPERATIONS, Operation
from fhir_server.search.reading import UNSUPPORTED
from fhir_server.services import Services
from fhir_server.smart.discovery import security
from fhir_server.smart.endpoints import Endpoints

DATE = "2026-11-21"
MODES = ("full", "normative", "terminology")
_TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
_SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")


async def capabilities(request: FhirRequest, services: Services) -> FhirResponse:
    """The CapabilityStatement; the TerminologyCapabilities for `mode=terminology`."""
    mode = request.parameter("mode") or "full"
    if mode not in MODES:
        raise MalformedRequest(f"mode={mode[:40]} is not known; use {', '.join(MODES)}")
    if mode == "terminology":
        return FhirResponse(200, encode(terminology(services)))
    return FhirResponse(200, encode(capability_statement(services)))


def capability_statement(services: Services) -> dict[str, Any]:
    """What the tables say that this server does."""
    settings = services.settings
    pointing = _pointing_at(services)
    return {
        "resourceType": "CapabilityStatement",
        **_head(services, "CapabilityStatement"),
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    **security(Endpoints.of(settings)),
                    "cors": bool(settings.cors_origins),
                    "description": "Open to everybody on this machine."
                    if settings.access == "open"
                    else "Closed to all without an access token (SMART App Launch 2.2).",
                },
                "resource": [
                    _resource(type_, pointing[type_], services)
                    for type_ in services.definitions.resource_types
                ],
                "interaction": [{"code": code} for code in _SYSTEM_INTERACTIONS],
                "searchParam": _search_parameters("Resource", services),
                "operation": [_operation(row) for row in OPERATIONS if "system" in row.levels],
            }
        ],
    }


def terminology(services: Services) -> dict[str, Any]:
    """The TerminologyCapabilities: what is asked of code systems, not which ones there are."""
    expand = next(one for one in services.definitions.operations if one.id == "ValueSet-expand")
    names = [one.name for one in expand.parameters if one.use == "in"]
    return {
        "resourceType": "TerminologyCapabilities",
        **_head(services, "TerminologyCapabilities"),
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in names],
            "textFilter": "Each word must begin a word of the code, the display or a designation.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }


def _head(services: Services, kind: str) -> dict[str, Any]:
    return {
        "url": f"{services.settings.base}/{kind}/server",
        "version": __version__,
        "name": f"FhirServer{kind}",
        "title": "FHIR health record server",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "fhir-server", "version": __version__},
        "implementation": {
            "description": "FHIR health record server",
            "url": services.settings.base,
        },
    }


def _resource(type_: str, pointing: list[str], services: Services) -> dict[str, Any]:
    settings = services.settings
    references = [p.code for p in services.registry.all(type_) if p.type == "reference"]
    described: dict[str, Any] = {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "interaction": [{"code": code} for code in _TYPE_INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": settings.update_create,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": settings.conditional_delete,
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": ["*", *(f"{type_}:{code}" for code in references)],
        "searchRevInclude": pointing,
        "searchParam": _search_parameters(type_, services),
    }
    operations = [
        _operation(row)
        for row in OPERATIONS
        if (type_ in row.types or not row.types) and row.levels != ("system",)
    ]
    if operations:
        described["operation"] = operations
    return described


def _pointing_at(services: Services) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {type_: [] for type_ in services.definitions.resource_types}
    for source in services.definitions.resource_types:
        for parameter in services.registry.all(source):
            if parameter.type == "reference":
                for target in parameter.targets:
                    if target in found:
                        found[target].append(f"{source}:{parameter.code}")
    return found


def _search_parameters(type_: str, services: Services) -> list[dict[str, Any]]:
    return [
        {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
        for parameter in services.registry.all(type_)
        if parameter.code not in UNSUPPORTED
    ]


def _operation(row: Operation) -> dict[str, Any]:
    return {"name": row.code, "definition": row.definition}
