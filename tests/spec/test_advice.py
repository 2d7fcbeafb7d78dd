"""What `$validate` advises beyond the rules: displays of codes, and what a document holds."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.codec import encode
from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

VALIDATOR = Validator(load())
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(coding: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "category": [{"coding": [coding]}],
        **more,
    }


def coded(**given: str) -> dict[str, Any]:
    return {"system": CATEGORY, "code": "vital-signs", **given}


def told(resource: dict[str, Any], code: str, validator: Validator = VALIDATOR) -> list[str]:
    """The places of the warnings of a kind."""
    issues = validator.validate(resource)
    assert not [issue for issue in issues if issue.severity == "error"]
    return [
        issue.expression[0]
        for issue in issues
        if issue.code == code and issue.severity == "warning"
    ]


def test_a_display_that_the_code_system_does_not_have_is_a_warning() -> None:
    resource = observation(coded(display="Laboratory"))
    assert told(resource, "value") == ["Observation.category[0].coding[0].display"]
    (issue,) = [one for one in VALIDATOR.validate(resource) if one.code == "value"]
    assert "it is 'Vital Signs'" in issue.diagnostics


def test_it_refuses_no_write() -> None:
    assert VALIDATOR.errors(observation(coded(display="Laboratory"))) == []


@pytest.mark.parametrize(
    "coding",
    [
        coded(display="Vital Signs"),
        coded(display="vital signs"),
        coded(),
        coded(display="Anything", code="no-such-code"),
        coded(display="Anything", system="http://example.org/unknown"),
        coded(display="Anything", version="0.0.1"),
        {"display": "Anything"},
        {"system": "http://unitsofmeasure.org", "code": "mm[Hg]", "display": "Quecksilber"},
    ],
)
def test_a_display_that_is_right_or_cannot_be_judged_is_none(coding: dict[str, Any]) -> None:
    assert told(observation(coding), "value") == []


def test_a_display_in_a_language_that_the_code_system_does_not_speak_is_none() -> None:
    french = observation(coded(display="Signes vitaux"), language="fr")
    assert told(french, "value") == []
    assert told(observation(coded(display="Signes vitaux"), language="en-GB"), "value")


def test_code_systems_that_were_taken_in_count_with_their_designations() -> None:
    validator = Validator(load())
    system = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/colours",
        "status": "active",
        "content": "complete",
        "concept": [
            {
                "code": "r",
                "display": "red",
                "designation": [{"language": "fr", "value": "rouge"}],
            }
        ],
    }
    validator.put("CodeSystem/colours", encode(system))
    for display, language, places in (("rouge", "fr", 0), ("red", "fr", 0), ("bleu", "fr", 1)):
        coding = {"system": "http://example.org/colours", "code": "r", "display": display}
        resource = observation(coding, language=language)
        assert len(told(resource, "value", validator)) == places


def document(*resources: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A document whose Composition is about `Patient/p` and has `Observation/o` in a section."""
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "note"},
        "subject": {"reference": "Patient/p"},
        "date": "2026-01-01",
        "author": [{"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"}],
        "title": "Note",
        "section": [{"title": "s", "entry": [{"reference": "Observation/o"}]}],
    }
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"http://example.org/fhir/{one['resourceType']}/{one['id']}",
            "resource": one,
        }
        for one in (composition, {"resourceType": "Patient", "id": "p"}, *resources)
    ]
    author = {"resourceType": "Practitioner", "id": "a"}
    entries.append({"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111", "resource": author})
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:x"},
        "timestamp": "2026-01-01T00:00:00Z",
        "entry": entries,
        **given,
    }


def measured(id_: str, **more: Any) -> dict[str, Any]:
    return {**observation(coded(), **more), "id": id_}


def test_what_nothing_in_a_document_leads_to_is_a_warning() -> None:
    bundle = document(measured("o"), measured("stray"))
    assert told(bundle, "business-rule") == ["Bundle.entry[3]"]


def test_what_is_referred_to_indirectly_is_reached() -> None:
    member = {"hasMember": [{"reference": "http://example.org/fhir/Observation/deep"}]}
    bundle = document(measured("o", **member), measured("deep"))
    assert told(bundle, "business-rule") == []


def test_what_refers_into_the_document_is_not_reached_but_a_provenance_is() -> None:
    to = [{"reference": "Observation/o"}]
    bundle = document(
        measured("o"),
        measured("stray", hasMember=to),
        {
            "resourceType": "Provenance",
            "id": "v",
            "target": to,
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Organization/g"}}],
        },
        {"resourceType": "Organization", "id": "g", "name": "G"},
        {"resourceType": "Binary", "id": "style", "contentType": "text/css"},
    )
    assert told(bundle, "business-rule") == ["Bundle.entry[3]"]


def test_other_bundles_hold_what_they_like() -> None:
    bundle = document(measured("o"), measured("stray"), type="collection")
    assert told(bundle, "business-rule") == []
