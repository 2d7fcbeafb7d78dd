"""What is wrong with the form of a resource: its names, JSON types, nulls and what is empty."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spec.structures import (
    Faulty,
    faults,
    observation,
    patient,
)

WRONG: Faulty = {
    # what a resource is
    "no object": ([], [("structure", "Resource")]),
    "null": (None, [("structure", "Resource")]),
    "no type": ({"id": "a"}, [("required", "Resource")]),
    "an unknown type": ({"resourceType": "Patiant"}, [("structure", "Resource")]),
    "an abstract type": ({"resourceType": "DomainResource"}, [("structure", "Resource")]),
    "a data type": ({"resourceType": "HumanName"}, [("structure", "Resource")]),
    "a type that is no text": ({"resourceType": ["Patient"]}, [("structure", "Resource")]),
    # names
    "an unknown element": (patient(foo=1), [("structure", "Patient.foo")]),
    "a wrong case": (patient(BirthDate="1974"), [("structure", "Patient.BirthDate")]),
    "a choice without type": (observation(value="x"), [("structure", "Observation.value")]),
    "a type that the choice has not": (
        observation(valueDecimal=1), [("structure", "Observation.valueDecimal")],
    ),
    "an unknown element deep inside": (
        patient(contact=[{"name": {"family": "a", "famly": "b"}}]),
        [("structure", "Patient.contact[0].name.famly")],
    ),
    "an underscore before an object": (patient(_name=[{}]), [("structure", "Patient._name")]),
    "an underscore before an element's id": (
        patient(name=[{"text": "a", "_id": {"id": "b"}}]), [("structure", "Patient.name[0]._id")],
    ),
    "resourceType in a data type": (
        patient(name=[{"resourceType": "HumanName", "text": "a"}]),
        [("structure", "Patient.name[0].resourceType")],
    ),
    # JSON types
    "an object for an array": (patient(name={"text": "a"}), [("structure", "Patient.name")]),
    "an array for an object": (
        observation(code=[{"text": "a"}]), [("structure", "Observation.code")],
    ),
    "a text for an object": (patient(name=["a"]), [("structure", "Patient.name[0]")]),
    "an array for a value": (patient(gender=["male"]), [("structure", "Patient.gender")]),
    "an object for a value": (patient(birthDate={}), [("structure", "Patient.birthDate")]),
    "a value for an array": (
        patient(name=[{"given": "a"}]), [("structure", "Patient.name[0].given")],
    ),
    "text for a number": (
        observation(valueQuantity={"value": "1"}),
        [("structure", "Observation.value.ofType(Quantity).value")],
    ),
    "text for a boolean": (patient(active="true"), [("structure", "Patient.active")]),
    "a number for a boolean": (patient(active=1), [("structure", "Patient.active")]),
    "a boolean for text": (patient(gender=True), [("structure", "Patient.gender")]),
    "a number for text": (patient(language=1), [("structure", "Patient.language")]),
    "a boolean for a number": (
        patient(multipleBirthInteger=True),
        [("structure", "Patient.multipleBirth.ofType(integer)")],
    ),
    # nothing
    "a null value": (patient(birthDate=None), [("structure", "Patient.birthDate")]),
    "a null object": (
        patient(managingOrganization=None), [("structure", "Patient.managingOrganization")],
    ),
    "a null array": (patient(name=None), [("structure", "Patient.name")]),
    "a null in an array of objects": (patient(name=[None]), [("structure", "Patient.name[0]")]),
    "an empty array": (patient(name=[]), [("structure", "Patient.name")]),
    "an empty array of values": (
        patient(name=[{"given": []}]), [("structure", "Patient.name[0].given")],
    ),
    "an empty array of extensions": (
        patient(name=[{"given": ["a"], "_given": []}]), [("structure", "Patient.name[0].given")],
    ),
    "an empty object": (patient(name=[{}]), [("structure", "Patient.name[0]")]),
    "an object with only an id": (patient(name=[{"id": "a"}]), [("structure", "Patient.name[0]")]),
    "an empty text": (
        patient(name=[{"family": ""}]), [("value", "Patient.name[0].family")],
    ),
    "white space only": (patient(name=[{"family": " "}]), [("value", "Patient.name[0].family")]),
    "a control character": (
        patient(name=[{"family": "a\x00"}]), [("value", "Patient.name[0].family")],
    ),
    "an empty companion": (
        patient(birthDate="1974", _birthDate={}), [("structure", "Patient.birthDate")],
    ),
    # null alignment
    "a null without companion": (
        patient(name=[{"given": [None, "a"]}]), [("structure", "Patient.name[0].given[0]")],
    ),
    "a null beside a null": (
        patient(name=[{"given": [None, "a"], "_given": [None, {"id": "a"}]}]),
        [("structure", "Patient.name[0].given[0]")],
    ),
    "a null beyond the values": (
        patient(name=[{"given": ["a"], "_given": [{"id": "a"}, None]}]),
        [("structure", "Patient.name[0].given[1]")],
    ),
    "a companion that is no array": (
        patient(name=[{"given": ["a"], "_given": {"id": "a"}}]),
        [("structure", "Patient.name[0].given")],
    ),
    "a companion without value or extension": (
        patient(_birthDate={"id": "a"}), [("structure", "Patient.birthDate")],
    ),
    "a companion with what it has not": (
        patient(birthDate="1974", _birthDate={"value": "a"}),
        [("structure", "Patient.birthDate.value")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_fault_has_its_code_and_place(resource: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(resource) == expected
