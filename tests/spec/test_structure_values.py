"""What is wrong with values: formats, cardinalities, choices, codes and references."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.spec.structures import (
    ABSENT,
    CLINICAL,
    ORGANIZATION,
    Faulty,
    condition,
    contained,
    faults,
    observation,
    patient,
)

WRONG: Faulty = {
    # formats
    "a date that is none": (patient(birthDate="1974-13-25"), [("value", "Patient.birthDate")]),
    "a day that is none": (patient(birthDate="2023-02-29"), [("value", "Patient.birthDate")]),
    "a dateTime without zone": (
        observation(effectiveDateTime="2024-01-01T10:00:00"),
        [("value", "Observation.effective.ofType(dateTime)")],
    ),
    "an instant without zone": (
        observation(issued="2024-01-01T10:00:00"), [("value", "Observation.issued")],
    ),
    "an id with a blank": (patient(id="a b"), [("value", "Patient.id")]),
    "an integer with a fraction": (
        patient(multipleBirthInteger=Decimal("1.5")),
        [("value", "Patient.multipleBirth.ofType(integer)")],
    ),
    "an integer beyond 32 bits": (
        patient(multipleBirthInteger=2**31), [("value", "Patient.multipleBirth.ofType(integer)")],
    ),
    "a uri with a blank": (
        patient(identifier=[{"system": "a b"}]), [("value", "Patient.identifier[0].system")],
    ),
    # cardinality
    "nothing that is required": (
        {"resourceType": "Observation"},
        [("required", "Observation.status"), ("required", "Observation.code")],
    ),
    "a required choice": (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order",
         "subject": {"reference": "Patient/1"}},
        [("required", "MedicationRequest.medication")],
    ),
    "a required array": (
        {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"},
         "reaction": [{"description": "x"}]},
        [("required", "AllergyIntolerance.reaction[0].manifestation")],
    ),
    "required in a backbone": (
        observation(component=[{"valueString": "x"}]),
        [("required", "Observation.component[0].code")],
    ),
    # choices
    "two types of a choice": (
        patient(deceasedBoolean=False, deceasedDateTime="2015"),
        [("structure", "Patient.deceased")],
    ),
    "two types of a required choice": (
        {"resourceType": "Group", "type": "person", "actual": False, "characteristic": [
            {"code": {"text": "a"}, "exclude": False, "valueBoolean": True, "valueReference":
             {"display": "b"}}]},
        [("structure", "Group.characteristic[0].value")],
    ),
    "two types and nothing required": (
        observation(component=[{"valueString": "a", "valueInteger": 1}]),
        [("required", "Observation.component[0].code"),
         ("structure", "Observation.component[0].value")],
    ),
    "two types, one only extended": (
        patient(deceasedBoolean=False, _deceasedDateTime={"extension": [ABSENT]}),
        [("structure", "Patient.deceased")],
    ),
    # codes
    "a code in the wrong case": (patient(gender="Male"), [("code-invalid", "Patient.gender")]),
    "a code of another set": (
        observation() | {"status": "zzz"}, [("code-invalid", "Observation.status")],
    ),
    "a code with blanks": (observation() | {"status": " "}, [("value", "Observation.status")]),
    "a concept of another set": (
        condition(clinicalStatus={"coding": [{"system": CLINICAL, "code": "x"}]}),
        [("code-invalid", "Condition.clinicalStatus")],
    ),
    "a concept of another system": (
        condition(clinicalStatus={"coding": [{"system": "urn:x", "code": "active"}]}),
        [("code-invalid", "Condition.clinicalStatus")],
    ),
    "a concept of text only": (
        condition(clinicalStatus={"text": "active"}),
        [("code-invalid", "Condition.clinicalStatus")],
    ),
    "a currency that is none": (
        {"resourceType": "Invoice", "status": "draft", "totalNet": {"value": 1, "currency": "EU"}},
        [("code-invalid", "Invoice.totalNet.currency")],
    ),
    # references
    "a target of another type": (
        observation(subject={"reference": "Organization/1"}),
        [("structure", "Observation.subject")],
    ),
    "a conditional target of another type": (
        observation(subject={"reference": "Organization?name=a"}),
        [("structure", "Observation.subject")],
    ),
    "a named type that is not allowed": (
        observation(subject={"type": "Organization", "display": "a"}),
        [("structure", "Observation.subject")],
    ),
    "a target of no type": (
        observation(subject={"reference": "Foo/1"}), [("value", "Observation.subject")],
    ),
    "a reference without type": (
        observation(subject={"reference": "c282c3ec-6bd3-4826-b654-5a171776e296"}),
        [("value", "Observation.subject")],
    ),
    "a target with a bad id": (
        observation(subject={"reference": "Patient/a_b"}), [("value", "Observation.subject")],
    ),
    "a local reference to nothing": (
        patient(managingOrganization={"reference": "#o"}),
        [("not-found", "Patient.managingOrganization")],
    ),
    "a local reference to another type": (
        contained(patient(id="p"), managingOrganization={"reference": "#p"}),
        [("structure", "Patient.managingOrganization")],
    ),
    "a local reference into another entry": (
        {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": contained(ORGANIZATION)},
            {"resource": patient(managingOrganization={"reference": "#o"})},
        ]},
        [("not-found", "Bundle.entry[1].resource.managingOrganization")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_fault_has_its_code_and_place(resource: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(resource) == expected
