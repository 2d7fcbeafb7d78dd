"""Invariants of R4: each at its place, with its severity, and what keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.definitions import load
from fhir_server.fhir.fhirpath import compile
from fhir_server.validation import Validator
from fhir_server.validation.invariants import STRUCTURAL, Invariants, is_ruled
from fhir_server.validation.native import NATIVE
from fhir_server.validation.rule import CORRECTED

R4 = load()
VALIDATOR = Validator(R4)
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'
ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "n"}


def patient(**properties: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": DIV},
        **properties,
    }


def observation(**properties: Any) -> dict[str, Any]:
    return patient() | {"resourceType": "Observation", "status": "final", **properties}


def bundle(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", **properties}


BACKWARDS = {"start": "2012-01-02", "end": "2012-01-01"}
CODE = {"text": "x"}
LIBRARY = "http://hl7.org/fhir/StructureDefinition/cqf-library"

BROKEN: dict[str, tuple[Any, str, str]] = {
    "of a backbone": (patient(contact=[{"gender": "male"}]), "pat-1", "Patient.contact[0]"),
    "of a data type": (patient(identifier=[{"period": BACKWARDS}]), "per-1",
                       "Patient.identifier[0].period"),
    "of a base type": (
        {"resourceType": "Condition", "text": patient()["text"], "subject": {"display": "x"},
         "onsetAge": {"value": 1, "code": "a"}},
        "qty-3", "Condition.onset.ofType(Age)",
    ),
    "of a choice": (
        observation(code=CODE, valueQuantity={"value": 1, "code": "g"}),
        "qty-3", "Observation.value.ofType(Quantity)",
    ),
    "of an element": (
        observation(code=CODE, referenceRange=[{"low": {"value": 1, "comparator": "<"}}]),
        "sqty-1", "Observation.referenceRange[0].low",
    ),
    "of a repeated element": (
        {"resourceType": "Organization", "text": patient()["text"], "name": "n",
         "address": [{"use": "work", "text": "a"}, {"use": "home", "text": "b"}]},
        "org-2", "Organization.address[1]",
    ),
    "of a resource": (
        observation(code=CODE, valueString="a", dataAbsentReason=CODE), "obs-6", "Observation",
    ),
    "of a content reference": (
        observation(
            code=CODE, component=[{"code": CODE, "referenceRange": [{"appliesTo": [CODE]}]}]
        ),
        "obs-3", "Observation.component[0].referenceRange[0]",
    ),
    "of a Bundle": (bundle(type="collection", total=1), "bdl-1", "Bundle"),
    "in an entry": (
        bundle(type="collection", entry=[{"resource": patient(contact=[{"gender": "male"}])}]),
        "pat-1", "Bundle.entry[0].resource.contact[0]",
    ),
    "in a contained resource": (
        patient(
            contained=[ORGANIZATION | {"address": [{"use": "home", "text": "a"}]}],
            managingOrganization={"reference": "#o"},
        ),
        "org-2", "Patient.contained[0].address[0]",
    ),
    "in an extension": (
        patient(extension=[{"url": "urn:a", "valuePeriod": BACKWARDS}]),
        "per-1", "Patient.extension[0].value.ofType(Period)",
    ),
    "that R4's text has, of Attachment": (
        patient(photo=[{"contentType": "text/plain", "data": "YQ==", "size": 2}]),
        "size is 2, but data has 1 bytes",
        "Patient.photo[0]",
    ),
    "that R4's text has, of Bundle.link": (
        bundle(type="searchset", link=[{"relation": "self", "url": "http://a"}] * 2),
        "the link self can be there only once", "Bundle.link[1]",
    ),
    "that R4's text has, of Bundle.entry.fullUrl": (
        bundle(type="collection", entry=[{"fullUrl": "Patient/1", "resource": patient(id="1")}]),
        "must be absolute: a url or urn:uuid", "Bundle.entry[0].fullUrl",
    ),
    "that R4's text has, of enableWhen": (
        patient() | {"resourceType": "Questionnaire", "status": "draft", "item": [
            {"linkId": "1", "type": "boolean", "text": "a", "enableWhen": [
                {"question": "1", "operator": "exists", "answerBoolean": True}]}]},
        "is the item itself or in it", "Questionnaire.item[0].enableWhen[0].question",
    ),
    "contained and not referred to": (patient(contained=[ORGANIZATION]), "dom-3", "Patient"),
    "contained with a version": (
        patient(contained=[ORGANIZATION | {"meta": {"versionId": "1"}}],
                managingOrganization={"reference": "#o"}),
        "dom-4", "Patient",
    ),
    "that R4 words wrongly": (
        patient() | {"resourceType": "Questionnaire", "status": "draft", "item": [
            {"linkId": "1", "type": "boolean", "text": "a", "enableWhen": [
                {"question": "2", "operator": "exists", "answerBoolean": True},
                {"question": "3", "operator": "exists", "answerBoolean": True}]}]},
        "que-12", "Questionnaire.item[0]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "key", "place"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_invariant_is_told_at_its_place(resource: Any, key: str, place: str) -> None:
    errors = [i for i in VALIDATOR.validate(resource) if i.severity == "error"]
    assert [i.expression for i in errors] == [(place,)]
    if " " in key:
        assert errors[0].diagnostics.endswith(key)
    else:
        assert errors[0].code == "invariant"
        assert errors[0].diagnostics.endswith(f"({key})")


@pytest.mark.parametrize(
    "resource",
    [
        patient(contact=[{"name": {"text": "a"}}]),
        patient(contained=[ORGANIZATION], managingOrganization={"reference": "#o"}),
        patient(contained=[observation(id="c", code=CODE, subject={"reference": "#"})]),
        patient(
            contained=[{"resourceType": "Binary", "id": "b", "contentType": "image/png"}],
            text={"status": "generated", "div": DIV[:-7] + '<img src="#b" alt="b"/></div>'},
        ),
        patient(contained=[ORGANIZATION], extension=[{"url": LIBRARY, "valueCanonical": "#o"}]),
        observation(code=CODE, valueQuantity={"value": 1, "code": "g", "system": "urn:a"}),
        bundle(type="searchset", total=1),
    ],
)
def test_kept_invariants_are_silent(resource: Any) -> None:
    assert VALIDATOR.validate(resource) == []


def test_best_practice_is_a_warning() -> None:
    (issue,) = VALIDATOR.validate({"resourceType": "Patient"})
    assert (issue.severity, issue.expression) == ("warning", ("Patient",))
    assert issue.diagnostics.endswith("(dom-6)")


def test_invariants_wait_for_the_structure() -> None:
    issues = VALIDATOR.validate(patient(foo=1, contact=[{"gender": "male"}]))
    assert [i.expression for i in issues] == [("Patient.foo",)]


def test_every_invariant_is_known_and_compiles() -> None:
    invariants = [i for found in R4.invariants.values() for i in found]
    assert {i.key for i in invariants} >= STRUCTURAL | CORRECTED.keys()
    for invariant in invariants:
        assert compile(invariant.expression)


def test_objects_that_have_rules_are_told_from_those_that_have_none() -> None:
    invariants = Invariants(R4, native=NATIVE)
    ruled = {name for name in R4.types if is_ruled(R4, name)}
    assert {name for name in R4.types if invariants._rules(name)} | NATIVE.keys() <= ruled
    for path, stated in R4.invariants.items():
        if any(invariant.key not in STRUCTURAL for invariant in stated):
            assert path in ruled or path.rpartition(".")[0] in ruled, path
    assert ruled >= {"Period", "Quantity", "Extension", "Attachment", "Observation", "Patient"}
    assert ruled.isdisjoint({"Coding", "CodeableConcept", "HumanName", "Identifier", "Reference"})


def test_issues_are_bounded_and_say_so() -> None:
    issues = VALIDATOR.validate(patient(contact=[{"gender": "male"}] * 300))
    assert len(issues) == 201
    assert (issues[200].code, issues[200].expression) == ("too-long", ("Patient",))


def test_warnings_leave_room_for_errors() -> None:
    bare: list[Any] = [{"resource": {"resourceType": "Patient"}}] * 300
    broken = {"resource": patient(contact=[{"gender": "male"}])}
    issues = VALIDATOR.validate(bundle(type="collection", entry=[*bare, broken]))
    errors = [i.expression for i in issues if i.severity == "error"]
    assert errors == [("Bundle.entry[300].resource.contact[0]",)]
    assert (issues[-1].severity, issues[-1].code) == ("warning", "too-long")


@pytest.mark.parametrize("depth", range(100, 500, 20))
def test_no_depth_makes_validation_raise(depth: int) -> None:
    value: dict[str, Any] = {"url": "urn:a", "valuePeriod": BACKWARDS}
    for _ in range(depth):
        value = {"url": "urn:a", "extension": [value]}
    assert VALIDATOR.validate(patient(extension=[value]))
