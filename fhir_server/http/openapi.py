"""The OpenAPI description, made from the tables that route and answer."""

from __future__ import annotations

from typing import Any

from fhir_server import __version__
from fhir_server.dispatch import ROUTES, Route
from fhir_server.fhir.definitions import Definitions
from fhir_server.operations.table import OPERATIONS, Operation

_FHIR: dict[str, Any] = {"application/fhir+json": {}, "application/fhir+xml": {}}
_PATCH: dict[str, Any] = {"application/json-patch+json": {}, "application/fhir+json": {}}


def openapi(base: str, definitions: Definitions) -> dict[str, Any]:
    """The OpenAPI 3.1 document: one path per shape, the types as values of `{type}`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"/{route.shape}", {})[route.method.lower()] = _interaction(route)
    for operation in OPERATIONS:
        for level in operation.levels:
            for method in operation.methods:
                path, entry = _operation(operation, level, method)
                paths.setdefault(path, {})[method.lower()] = entry
    types = list(definitions.resource_types)
    for path, methods in paths.items():
        methods["parameters"] = _path_parameters(path, types)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FHIR health record server",
            "version": __version__,
            "description": "FHIR R4 (4.0.1). The CapabilityStatement at `metadata` lists the "
            "search parameters of every type.",
        },
        "servers": [{"url": base}],
        "paths": paths,
    }


def _interaction(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{route.method.lower()}-{route.shape or 'base'}",
        "summary": route.code,
        "externalDocs": {"url": "https://hl7.org/fhir/R4/http.html"},
        "responses": _responses(),
    }
    if route.method in ("PUT", "POST", "PATCH"):
        if route.shape.endswith("_search"):
            content: dict[str, Any] = {"application/x-www-form-urlencoded": {}}
        else:
            content = _PATCH if route.method == "PATCH" else _FHIR
        described["requestBody"] = {"required": True, "content": content}
    return described


def _operation(operation: Operation, level: str, method: str) -> tuple[str, dict[str, Any]]:
    prefix = {"system": "", "type": "/{type}", "instance": "/{type}/{id}"}[level]
    types = ", ".join(operation.types) or "every type"
    return f"{prefix}/${operation.code}", {
        "operationId": f"{method.lower()}-{level}-{operation.code}",
        "summary": f"${operation.code} on {types}",
        "externalDocs": {"url": operation.definition},
        "responses": _responses(),
    }


def _path_parameters(path: str, types: list[str]) -> list[dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = {
        "type": {"type": "string", "enum": types},
        "member": {"type": "string"},
        "id": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
        "version": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in schemas.items()
        if f"{{{name}}}" in path
    ]


def _responses() -> dict[str, Any]:
    return {
        "2XX": {"description": "Done.", "content": _FHIR},
        "4XX": {"description": "Refused: an OperationOutcome says why.", "content": _FHIR},
    }
