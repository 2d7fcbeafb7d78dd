"""What profiles demand, each kind of demand kept and broken.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.validation import Validator
from tests.spec.profiles.made import (
    CORE,
    NAMED,
    R4,
    at,
    concept,
    observation,
    patient,
    profile,
    sliced,
)


def faults(resource: dict[str, Any], *profiles: dict[str, Any]) -> list[tuple[str, str]]:
    """(place, text) of the errors against the first profile; the others are known too."""
    validator = Validator(R4)
    for one in profiles:
        validator.put(f"StructureDefinition/{one['url']}", json.dumps(one).encode())
    url = profiles[0]["url"]
    assert validator.compiler.profile(url), validator.compiler.faulty
    issues = validator.validate(resource, profiles=[url])
    return [(i.expression[0], i.diagnostics) for i in issues if i.severity == "error"]


COMPONENT = "Observation.component"
BY_CODE = sliced(COMPONENT, "pattern", "code")
A = at(COMPONENT, "a", min=1, max="1")
A_CODE = at(f"{COMPONENT}.code", patternCodeableConcept=concept("1"))
B = at(COMPONENT, "b", max="1")
B_CODE = at(f"{COMPONENT}.code", patternCodeableConcept=concept("2"))


def components(*codes: str) -> dict[str, Any]:
    return observation(component=[{"code": concept(code)} for code in codes])


def rules(rules: str, **more: Any) -> dict[str, Any]:
    sliced_so = sliced(COMPONENT, "pattern", "code", rules, **more)
    return profile("p", "Observation", sliced_so, A, A_CODE, B, B_CODE)


TYPED = profile(
    "p",
    "Observation",
    sliced("Observation.value[x]", "type", "$this"),
    at("Observation.value[x]", "valueQuantity", min=1, type=[{"code": "Quantity"}]),
    at("Observation.value[x].code", patternCode="kg"),
)
PHONE = profile(
    "p",
    "Patient",
    sliced("Patient.telecom", "exists", "period"),
    at("Patient.telecom", "past", max="1"),
    at("Patient.telecom.period", min=1),
    at("Patient.telecom", "now", min=1),
    at("Patient.telecom.period", max="0"),
)
POINTED = profile(
    "p",
    "Observation",
    sliced("Observation.performer", "type", "resolve()"),
    at(
        "Observation.performer",
        "person",
        min=1,
        type=[{"code": "Reference", "targetProfile": [f"{CORE}Practitioner"]}],
    ),
)
TARGETS = profile(
    "p",
    "Observation",
    at(
        "Observation.subject",
        type=[{"code": "Reference", "targetProfile": [NAMED["url"]]}],
    ),
)
ENTRIES = profile(
    "p",
    "Bundle",
    sliced("Bundle.entry", "profile", "resource"),
    at("Bundle.entry", "who", min=1),
    at("Bundle.entry.resource", min=1, type=[{"code": "Patient", "profile": [NAMED["url"]]}]),
)
CONTAINED = profile(
    "p",
    "Observation",
    at("Observation.contained", type=[{"code": "Patient", "profile": [NAMED["url"]]}]),
)
RESLICED = profile(
    "p",
    "Observation",
    BY_CODE,
    at(COMPONENT, "a", min=1, slicing=sliced("", "value", "valueSet")["slicing"] | {
        "discriminator": [{"type": "pattern", "path": "interpretation"}]}),
    A_CODE,
    at(COMPONENT, "a/high", min=1),
    at(f"{COMPONENT}.interpretation", min=1, patternCodeableConcept={"text": "high"}),
)  # fmt: skip
EXTENDED = profile(
    "p",
    "Patient",
    sliced("Patient.address", "value", "extension('urn:x').value"),
    at("Patient.address", "x", min=1),
    sliced("Patient.address.extension", "value", "url"),
    at("Patient.address.extension", "x", min=1),
    at("Patient.address.extension.url", fixedUri="urn:x"),
    at("Patient.address.extension.value[x]", min=1, patternString="yes"),
)
REFERRED = profile("p", "Observation", at(f"{COMPONENT}.referenceRange.text", min=1))
BOUND = profile(
    "p",
    "Patient",
    at(
        "Patient.maritalStatus",
        binding={
            "strength": "required",
            "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender",
        },
    ),
)
RULED = profile(
    "p",
    "Patient",
    at(
        "Patient.name",
        constraint=[
            {"key": "x-1", "severity": "error", "human": "A text", "expression": "text.exists()"}
        ],
    ),
)
DERIVED = profile("p", "Patient", at("Patient.birthDate", min=1), base="named")
CLOSED_TYPES = profile("p", "Observation", at("Observation.valueQuantity", min=1))

ANA, LEA = patient(id="1", name=[{"text": "Ana"}]), patient(id="1")


def with_target(target: dict[str, Any]) -> dict[str, Any]:
    return observation(contained=[target], subject={"reference": "#1"})


def entries(*resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in resources],
    }


KEPT: dict[str, tuple[Any, ...]] = {
    "open slices leave others": (components("9", "1"), rules("open")),
    "closed slices": (components("2", "1"), rules("closed")),
    "openAtEnd": (components("1", "2", "9"), rules("openAtEnd")),
    "ordered": (components("1", "9", "2"), rules("open", ordered=True)),
    "by type": (observation(valueQuantity={"value": 1, "code": "kg", "system": "urn:x"}), TYPED),
    "by existence": (patient(telecom=[{"system": "phone", "value": "1"}]), PHONE),
    "by what a reference says": (
        observation(performer=[{"reference": "Practitioner/1"}]),
        POINTED,
    ),
    "by profile": (entries(LEA, ANA), ENTRIES, NAMED),
    "a target's profile": (with_target(ANA), TARGETS, NAMED),
    "a target that is elsewhere": (observation(subject={"reference": "Patient/1"}), TARGETS, NAMED),
    "a contained resource's profile": (with_target(ANA), CONTAINED, NAMED),
    "slices of slices": (
        observation(component=[{"code": concept("1"), "interpretation": [{"text": "high"}]}]),
        RESLICED,
    ),
    "by an extension": (
        patient(address=[{"extension": [{"url": "urn:x", "valueString": "yes"}]}]),
        EXTENDED,
    ),
    "a content reference": (
        observation(component=[{"code": {"text": "x"}, "referenceRange": [{"text": "1"}]}]),
        REFERRED,
    ),
    "a profile on a profile": (patient(name=[{"text": "a"}], birthDate="2000"), DERIVED, NAMED),
    "a required binding": (
        patient(maritalStatus=concept("male", "http://hl7.org/fhir/administrative-gender")),
        BOUND,
    ),
    "a rule": (patient(name=[{"text": "a"}]), RULED),
    "the type in the name": (observation(valueQuantity={"value": 1}), CLOSED_TYPES),
}

BROKEN: dict[str, tuple[Any, ...]] = {
    "too few of a slice": (COMPONENT, "a", components("9"), rules("open")),
    "too many of a slice": (COMPONENT, "b", components("1", "2", "2"), rules("open")),
    "closed slices": (f"{COMPONENT}[1]", "no slice", components("1", "9"), rules("closed")),
    "openAtEnd": (f"{COMPONENT}[1]", "before", components("9", "1"), rules("openAtEnd")),
    "ordered": (
        f"{COMPONENT}[1]", "before", components("2", "1"), rules("open", ordered=True),
    ),
    "by type": (
        "Observation.value.ofType(Quantity).code", "kg",
        observation(valueQuantity={"value": 1, "code": "g", "system": "urn:x"}), TYPED,
    ),
    "another type": ("Observation.value", "valueQuantity", observation(valueString="a"), TYPED),
    "by existence": (
        "Patient.telecom",
        "now",
        patient(telecom=[{"system": "phone", "value": "1", "period": {"start": "2000"}}]),
        PHONE,
    ),
    "by what a reference says": (
        "Observation.performer", "person", observation(performer=[{"reference": "Patient/1"}]),
        POINTED,
    ),
    "by profile": ("Bundle.entry", "who", entries(LEA), ENTRIES, NAMED),
    "a target's profile": ("Observation.subject", "#1", with_target(LEA), TARGETS, NAMED),
    "a contained resource's profile": (
        "Observation.contained[0].name", "required", with_target(LEA), CONTAINED, NAMED,
    ),
    "slices of slices": (COMPONENT, "a/high", components("1"), RESLICED),
    "by an extension": (
        "Patient.address", "address:x",
        patient(address=[{"extension": [{"url": "urn:x", "valueString": "no"}]}]), EXTENDED,
    ),
    "a content reference": (
        f"{COMPONENT}[0].referenceRange[0].text", "required",
        observation(component=[{"code": {"text": "x"}, "referenceRange": [{"age": {
            "low": {"value": 1, "unit": "a", "system": "http://unitsofmeasure.org",
                    "code": "a"}}, "low": {"value": 1}}]}]),
        REFERRED,
    ),
    "a profile on a profile": ("Patient.name", "required", patient(birthDate="2000"),
                               DERIVED, NAMED),
    "a required binding": (
        "Patient.maritalStatus", "administrative-gender", patient(maritalStatus=concept("M")),
        BOUND,
    ),
    "a rule": ("Patient.name[0]", "x-1", patient(name=[{"family": "a"}]), RULED),
    "the type in the name": (
        "Observation.value.ofType(string)", "type Quantity", observation(valueString="a"),
        CLOSED_TYPES,
    ),
    "a profile of another type": ("Patient", "not of Patient", patient(), TYPED),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "known"), [(r[0], r[1:]) for r in KEPT.values()], ids=KEPT)
def test_a_demand_that_is_met_is_silent(resource: Any, known: Any) -> None:
    assert faults(resource, *known) == []


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
def test_a_demand_that_is_broken_is_told_at_its_place(row: tuple[Any, ...]) -> None:
    place, says, resource, *known = row
    found = faults(resource, *known)
    assert any(where == place and says in text for where, text in found), found
