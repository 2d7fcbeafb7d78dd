"""User-access Brands: who stands behind this server, as apps show it to people.

https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html. The operator writes the Bundle; it is
checked at start and published as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_server.errors import FhirError, MalformedContent
from fhir_server.fhir.codec import decode

MAX_BYTES = 8 * 1024 * 1024
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REASONS = ("asked-declined", "asked-unknown")


@dataclass(frozen=True, slots=True)
class Brands:
    """The Bundle as bytes, its weak ETag and the identifier of the primary brand."""

    body: bytes
    etag: str
    identifier: dict[str, Any]


def read_brands(path: Path) -> Brands:
    """The Bundle of a file. Raises MalformedContent, saying which rule it breaks."""
    try:
        body = path.read_bytes()
        bundle = decode(body, max_bytes=MAX_BYTES, max_depth=50)
    except OSError as error:
        raise MalformedContent(f"{path}: {error.strerror}") from None
    except FhirError as error:
        raise MalformedContent(f"{path}: {error}") from None
    if fault := _fault(bundle):
        raise MalformedContent(f"{path}: {fault}")
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Brands(body, etag, _primary(bundle))


def _fault(bundle: dict[str, Any]) -> str | None:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "collection":
        return "it must be a Bundle of type collection"
    if not bundle.get("timestamp"):
        return "Bundle.timestamp is missing"
    types = {entry.get("resource", {}).get("resourceType") for entry in bundle.get("entry", ())}
    if not types <= {"Organization", "Endpoint"}:
        return "only Organization and Endpoint may be in it"
    reasons = {e.get("valueCode") for e in _objects(bundle) if e.get("url") == ABSENT}
    if not reasons <= set(REASONS):
        return f"the only reasons for absent data are {' and '.join(REASONS)}"
    primary = _primary(bundle)
    if not primary.get("value"):
        return "no Organization with an identifier refers to every Endpoint (the primary brand)"
    same = [
        identifier
        for organization in _of(bundle, "Organization")
        for identifier in organization.get("identifier", ())
        if _name(identifier) == _name(primary)
    ]
    return None if len(same) == 1 else "the identifier of the primary brand comes twice"


def _primary(bundle: dict[str, Any]) -> dict[str, Any]:
    """System and value of the first identifier of the brand that refers to every endpoint."""
    endpoints = {f"Endpoint/{endpoint.get('id')}" for endpoint in _of(bundle, "Endpoint")}
    for organization in _of(bundle, "Organization"):
        refers = {
            "/".join(str(reference.get("reference", "")).split("/")[-2:])
            for reference in organization.get("endpoint", ())
        }
        for identifier in organization.get("identifier", ()):
            if endpoints <= refers and identifier.get("value"):
                return {n: identifier[n] for n in ("system", "value") if n in identifier}
    return {}


def _of(bundle: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    resources = (entry.get("resource", {}) for entry in bundle.get("entry", ()))
    return [resource for resource in resources if resource.get("resourceType") == type_]


def _name(identifier: dict[str, Any]) -> tuple[Any, Any]:
    return identifier.get("system"), identifier.get("value")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
