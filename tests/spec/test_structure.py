"""Structural validation: what is right has no fault, and faults are told well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.definitions import load
from tests.spec.structures import (
    ABSENT,
    CLINICAL,
    DIV,
    ORGANIZATION,
    VALIDATOR,
    condition,
    contained,
    extended,
    narrative,
    observation,
    patient,
)

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


@pytest.mark.parametrize("resource", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_has_no_fault(resource: Any) -> None:
    assert VALIDATOR.structure(resource) == []


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
