"""Each structural rule of R4, what it allows and what it refuses: code and place of faults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

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


RIGHT: dict[str, Any] = {
    "the least": patient(),
    "a value and its extension": patient(birthDate="1974", _birthDate={"extension": [ABSENT]}),
    "a value and its id": patient(birthDate="1974", _birthDate={"id": "a"}),
    "an extension instead of a value": patient(_birthDate={"extension": [ABSENT]}),
    "an extension instead of a required value": {
        "resourceType": "Observation",
        "_status": {"extension": [ABSENT]},
        "code": {"text": "x"},
    },
    "nulls beside extensions": patient(
        name=[{"given": [None, "b"], "_given": [{"extension": [ABSENT]}, None]}]
    ),
    "nulls beside an id": patient(name=[{"given": [None, "b"], "_given": [{"id": "a"}, None]}]),
    "extensions beyond the values": patient(
        name=[{"given": ["a"], "_given": [None, {"extension": [ABSENT]}]}]
    ),
    "only extensions": patient(name=[{"_given": [{"extension": [ABSENT]}]}]),
    "one type of a choice": patient(deceasedBoolean=False),
    "the choice's value and extension": patient(
        deceasedBoolean=False, _deceasedBoolean={"extension": [ABSENT]}
    ),
    "an integer for a decimal": observation(valueQuantity={"value": 1}),
    "a decimal": observation(valueQuantity={"value": Decimal("1.50")}),
    "a relative reference": observation(subject={"reference": "Patient/1"}),
    "a versioned reference": observation(subject={"reference": "Patient/1/_history/2"}),
    "a conditional reference": observation(subject={"reference": "Patient?identifier=a|b"}),
    "an absolute reference": observation(subject={"reference": "http://example.org/x"}),
    "a urn": observation(subject={"reference": "urn:oid:1.2.3"}),
    "a logical reference": observation(subject={"identifier": {"value": "1"}}),
    "a type and no reference": observation(subject={"type": "Patient", "display": "x"}),
    "a logical model's type": observation(subject={"type": "http://example.org/T"}),
    "any type where any is allowed": {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Basic/1"}}],
    },
    "a contained target": contained(ORGANIZATION, managingOrganization={"reference": "#o"}),
    "the container as a target": {
        "resourceType": "Patient",
        "contained": [observation(id="c", subject={"reference": "#"})],
    },
    "an open value set": {
        "resourceType": "Binary",
        "contentType": "application/x-of-our-own",
        "data": "AAAA",
    },
    "a required concept": condition(
        clinicalStatus={"coding": [{"system": CLINICAL, "code": "active"}]}
    ),
    "a required concept among others": condition(
        clinicalStatus={
            "coding": [{"system": "urn:x", "code": "y"}, {"system": CLINICAL, "code": "active"}]
        }
    ),
    "an extension for a required concept": condition(clinicalStatus={"extension": [ABSENT]}),
    "an extension with extensions": extended(extension=[{"url": "a", "valueCode": "b"}]),
    "an extension whose value is extended": extended(_valueCode={"extension": [ABSENT]}),
    "a narrative with formatting": narrative('<p class="a">x<br/><b>y</b><!-- z --></p>'),
    "a narrative with its language": patient(
        text={"status": "generated", "div": DIV[:-8] + ' lang="fr" xml:lang="fr">a</div>'}
    ),
    "a narrative with entities of XML": narrative("&lt;&#160;&#xA0;"),
    "a narrative with an image": narrative('<img src="#a" alt=""/>'),
    "a bundle's resources": {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": patient()}, {"resource": observation()}],
    },
    "parameters of several types": {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "a", "resource": patient()},
            {"name": "b", "valueString": "x"},
            {"name": "c", "part": [{"name": "d", "valueInteger": 1}]},
        ],
    },
    "a content reference": observation(
        component=[{"code": {"text": "x"}, "referenceRange": [{"text": "y"}]}]
    ),
}

WRONG: dict[str, tuple[Any, list[tuple[str, str]]]] = {
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
    # contained, Bundle, Parameters
    "a contained type that is none": (
        contained({"resourceType": "Foo", "id": "1"}), [("structure", "Patient.contained[0]")],
    ),
    "contained without id": (
        contained({"resourceType": "Organization", "name": "n"}),
        [("required", "Patient.contained[0].id")],
    ),
    "contained in contained": (
        contained(ORGANIZATION | {"contained": [ORGANIZATION]}),
        [("invariant", "Patient.contained[0].contained")],
    ),
    "a fault in contained": (
        contained(ORGANIZATION | {"active": "yes"}),
        [("structure", "Patient.contained[0].active")],
    ),
    "faults in entries": (
        {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": patient(gender="x")}, {"resource": {"resourceType": "Nothing"}},
        ]},
        [("code-invalid", "Bundle.entry[0].resource.gender"),
         ("structure", "Bundle.entry[1].resource")],
    ),
    "a fault in parameters": (
        {"resourceType": "Parameters", "parameter": [
            {"name": "a", "part": [{"name": "b", "resource": patient(gender="x")}]},
        ]},
        [("code-invalid", "Parameters.parameter[0].part[0].resource.gender")],
    ),
    # extensions
    "an extension without url": (
        patient(extension=[{"valueString": "a"}]), [("required", "Patient.extension[0].url")],
    ),
    "an extension with both": (
        extended(valueString="a", extension=[{"url": "a", "valueCode": "b"}]),
        [("invariant", "Patient.extension[0]")],
    ),
    "an extension with neither": (extended(), [("invariant", "Patient.extension[0]")]),
    "an extension with two values": (
        extended(valueString="a", valueCode="b"), [("structure", "Patient.extension[0].value")],
    ),
    # narrative
    "a script": (narrative("<script>alert(1)</script>"), [("invariant", "Patient.text.div")]),
    "an event handler": (
        narrative('<p onclick="x()">a</p>'), [("invariant", "Patient.text.div")],
    ),
    "a script url": (
        narrative('<a href=" JavaScript:x()">a</a>'), [("invariant", "Patient.text.div")],
    ),
    "another namespace": (
        patient(text={"status": "generated", "div": "<div>a</div>"}),
        [("invariant", "Patient.text.div")],
    ),
    "foreign content": (
        narrative('<svg xmlns="http://www.w3.org/2000/svg"/>a'),
        [("invariant", "Patient.text.div")],
    ),
    "an HTML entity": (narrative("a&nbsp;b"), [("structure", "Patient.text.div")]),
    "no XML": (narrative("<p>a"), [("invariant", "Patient.text.div")]),
    "an entity of its own": (
        patient(text={"status": "generated", "div": '<!DOCTYPE div [<!ENTITY a "b">]>'
                + DIV.format("&a;")}),
        [("structure", "Patient.text.div")],
    ),
    "a processing instruction": (narrative("<?php x ?>a"), [("invariant", "Patient.text.div")]),
    "no content": (narrative("<p> </p>"), [("invariant", "Patient.text.div")]),
    # all at once
    "many faults": (
        patient(foo=1, gender="x", name=[{"given": [""], "bar": 2}], birthDate="x"),
        [
            ("structure", "Patient.foo"),
            ("code-invalid", "Patient.gender"),
            ("value", "Patient.name[0].given[0]"),
            ("structure", "Patient.name[0].bar"),
            ("value", "Patient.birthDate"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("resource", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_has_no_fault(resource: Any) -> None:
    assert VALIDATOR.structure(resource) == []


@pytest.mark.parametrize(("resource", "faults"), WRONG.values(), ids=WRONG.keys())
def test_each_fault_has_its_code_and_place(resource: Any, faults: list[tuple[str, str]]) -> None:
    issues = VALIDATOR.structure(resource)
    assert [(issue.code, *issue.expression) for issue in issues] == faults
    assert all(issue.severity == "error" and issue.diagnostics for issue in issues)


@pytest.mark.parametrize(
    ("resource", "advice"),
    [
        (patient(birthdate="1974"), "did you mean birthDate?"),
        (patient(famly="x", nme=[]), "did you mean name?"),
        (observation(value="x"), "valueQuantity"),
        ({"resourceType": "patient"}, "did you mean Patient?"),
        (patient(gender="Male"), "one of female, male, other, unknown"),
        (patient(active="true"), "true or false without quotes"),
        (observation(issued="2024-01-01T10:00:00"), "with Z or +hh:mm"),
        (
            observation(subject={"reference": "Organization/1"}),
            "give Device, Group, Location, Pati",
        ),
        ({"resourceType": "Patient", "name": {"text": "a"}}, "must be an array"),
        (observation(component=[{}]), "must have more than an id"),
    ],
)
def test_the_text_says_what_would_be_right(resource: Any, advice: str) -> None:
    assert any(advice in issue.diagnostics for issue in VALIDATOR.structure(resource))


def test_issues_are_bounded_and_say_so() -> None:
    issues = VALIDATOR.structure(patient(name=[{"family": ""}] * 100_000))
    assert len(issues) == 201
    assert issues[199].expression == ("Patient.name[199].family",)
    assert (issues[200].code, issues[200].expression) == ("too-long", ("Patient",))
    assert "more than 200" in issues[200].diagnostics
    assert len(VALIDATOR.structure(patient(name=[{"family": ""}] * 200))) == 200


@pytest.mark.parametrize(
    "value", ["x" * 100_000, 10**10_000, [10**10_000]], ids=["text", "number", "array"]
)
def test_a_long_value_is_not_repeated_in_full(value: Any) -> None:
    for resource in (patient(id=value), patient(name=[{"given": value}])):
        for issue in VALIDATOR.structure(resource):
            assert len(issue.diagnostics) < 200


def test_depth_beyond_reason_is_a_fault_not_a_crash() -> None:
    value: dict[str, Any] = {"url": "a", "valueCode": "b"}
    for _ in range(20_000):
        value = {"url": "a", "extension": [value]}
    (issue,) = VALIDATOR.structure(patient(extension=[value]))
    assert issue.code == "too-costly"


def test_lenient_turns_soft_faults_into_warnings() -> None:
    soft = observation(subject={"reference": "Organization/1"})
    assert [i.severity for i in VALIDATOR.structure(soft, lenient=True)] == ["warning"]
    empty = narrative(" ")
    assert [i.severity for i in VALIDATOR.structure(empty, lenient=True)] == ["warning"]
    hard = patient(gender="x")
    assert [i.severity for i in VALIDATOR.structure(hard, lenient=True)] == ["error"]


def test_validating_changes_nothing() -> None:
    resource = contained(ORGANIZATION, foo=1, managingOrganization={"reference": "#o"})
    before = repr(resource)
    VALIDATOR.structure(resource)
    assert repr(resource) == before


def test_every_type_compiles() -> None:
    for type_ in load().resource_types:
        issues = VALIDATOR.structure({"resourceType": type_})
        assert {issue.code for issue in issues} <= {"required"}
