"""Which profiles a resource is held to: those that it claims, and those that are demanded.

https://hl7.org/fhir/R4/profiling.html#resources
"""

from __future__ import annotations

import json

import pytest

from fhir_server.validation import Validator
from tests.spec.profiles.made import CORE, NAMED, R4, URL, at, observation, patient, profile


def test_a_claim_to_an_unknown_profile_is_what_the_setting_says() -> None:
    claiming = patient(meta={"profile": ["http://example.org/unknown"]})
    assert Validator(R4).errors(claiming) == []
    [issue] = Validator(R4, unknown_profile="error").errors(claiming)
    assert (issue.severity, issue.expression) == ("error", ("Patient.meta.profile[0]",))


@pytest.mark.parametrize("place", ["Observation.contained[0]", "Bundle.entry[0].resource"])
def test_what_is_inside_may_claim_a_profile_too(place: str) -> None:
    validator = Validator(R4)
    validator.put("StructureDefinition/named", json.dumps(NAMED).encode())
    claiming = patient(id="1", meta={"profile": [NAMED["url"]]})
    resource = observation(contained=[claiming], subject={"reference": "#1"})
    if place.startswith("Bundle"):
        resource = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": claiming}],
        }
        resource["entry"][0]["fullUrl"] = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    [issue] = validator.errors(resource)
    assert issue.expression == (f"{place}.name",)


def test_a_demanded_profile_must_be_met_whatever_is_claimed() -> None:
    validator = Validator(R4, demanded={"Patient": (NAMED["url"],)})
    validator.put("StructureDefinition/named", json.dumps(NAMED).encode())
    assert validator.errors(patient(name=[{"text": "a"}])) == []
    assert {i.code for i in validator.errors(patient())} == {"business-rule", "required"}
    assert validator.errors(observation()) == []


def test_a_faulty_profile_is_told_and_not_used() -> None:
    validator = Validator(R4)
    wrong = profile("p", "Patient", at("Patient.nothing", min=1))
    validator.put("StructureDefinition/p", json.dumps(wrong).encode())
    issues = validator.validate(patient(meta={"profile": [wrong["url"]]}))
    assert any("Patient.nothing" in i.diagnostics and i.severity == "warning" for i in issues)


def test_a_definition_of_a_wrong_form_is_told_and_not_used() -> None:
    validator = Validator(R4)
    for wrong, says in (
        (profile("p", "Patient", at("Patient.name", max="many")), "must be a number or"),
        (profile("p", "Patient", at("Patient.name", min="1")), "min"),
        (profile("p", "Patient") | {"status": "odd"}, "odd"),
    ):
        validator.put("StructureDefinition/p", json.dumps(wrong).encode())
        issues = validator.validate(patient(), profiles=[wrong["url"]])
        assert any(says in i.diagnostics and i.severity == "error" for i in issues), issues


def test_all_of_r4_can_be_used() -> None:
    compiler = Validator(R4).compiler
    unused = {url for url in compiler.library.urls() if compiler.profile(url) is None}
    assert unused == {f"{CORE}MetadataResource"}, compiler.faulty


def test_versions_lie_side_by_side() -> None:
    validator = Validator(R4)
    for version, name in (("1.9.0", "name"), ("1.10.0", "birthDate")):
        one = profile("p", "Patient", at(f"Patient.{name}", min=1)) | {"version": version}
        validator.put(f"StructureDefinition/{version}", json.dumps(one).encode())
    for version, place in (("|1.9.0", "name"), ("|1.10.0", "birthDate"), ("", "birthDate")):
        issues = validator.validate(patient(), profiles=[f"{URL}p{version}"])
        assert [i.expression for i in issues if i.severity == "error"] == [(f"Patient.{place}",)]
