"""Resources for the tests of structural validation, and how their faults are told."""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

Faulty = dict[str, tuple[Any, list[tuple[str, str]]]]
"""What is wrong -> a resource with that, and its faults as (code, place)."""

VALIDATOR = Validator(load())
ABSENT = {
    "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "valueCode": "unknown",
}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def patient(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **properties}


def observation(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **properties}


def narrative(content: str) -> dict[str, Any]:
    return patient(text={"status": "generated", "div": DIV.format(content)})


def extended(**extension: Any) -> dict[str, Any]:
    return patient(extension=[{"url": "http://example.org/x", **extension}])


def contained(*resources: Any, **properties: Any) -> dict[str, Any]:
    return patient(contained=list(resources), **properties)


ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "n"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def condition(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, **properties}


def faults(resource: Any) -> list[tuple[str, ...]]:
    """The faults of a resource, all of them errors that say what would be right."""
    issues = VALIDATOR.structure(resource)
    assert all(issue.severity == "error" and issue.diagnostics for issue in issues)
    return [(issue.code, *issue.expression) for issue in issues]
