"""The engine's public face: typed nodes, invariants, resolve(), variables, limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir import fhirpath
from fhir_server.fhir.fhirpath import ExecutionFault, FhirPathError, SyntaxFault

NOTE = {"extension": [{"url": "http://example.org/why", "valueString": "unknown"}]}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "http://other.org/fhir/Organization/2/_history/3"},
        {"reference": "urn:uuid:0", "type": "Practitioner"},
    ],
    "name": [{"family": "A", "given": ["B", None], "_given": [None, NOTE]}],
    "_birthDate": NOTE,
    "multipleBirthInteger": 2,
    "contact": [{"gender": "female"}, {"name": {"text": "C"}}],
}


def nodes(expression: str, resource: Any = PATIENT, type_: str | None = None) -> list[Any]:
    return fhirpath.compile(expression).nodes(resource, type_)


def test_nodes_have_types_values_and_siblings() -> None:
    assert nodes("Patient.name.family") == [("string", "A", None)]
    assert nodes("Patient.name.given") == [("string", "B", None), ("string", None, NOTE)]
    assert nodes("Patient.birthDate") == [("date", None, NOTE)]
    assert nodes("Patient.multipleBirth") == [("integer", 2, None)]
    assert nodes("Patient.contact")[0] == ("Patient.contact", {"gender": "female"}, None)
    assert nodes("Patient.active.exists()") == [("boolean", False, None)]


def test_nodes_of_a_part() -> None:
    (kind, contact, _), _ = nodes("Patient.contact")
    assert nodes("gender", contact, kind) == [("code", "female", None)]
    assert nodes("$this", contact, kind) == [("Patient.contact", contact, None)]


def test_a_path_of_another_type_finds_nothing() -> None:
    assert nodes("Observation.code | Patient.name.family") == [("string", "A", None)]
    assert nodes("Observation.code") == []


@pytest.mark.parametrize("expression", ["Patient.generalPractitioner.where(resolve() is {})"])
def test_the_reference_tells_its_type(expression: str) -> None:
    def found(type_: str, path: str = expression) -> list[Any]:
        return [value for _, value, _ in nodes(path.format(type_))]

    practitioners = PATIENT["generalPractitioner"]
    assert found("Practitioner") == [practitioners[0], practitioners[2]]
    assert found("Organization") == [practitioners[1]]
    contained = "Patient.managingOrganization.where(resolve() is {})"
    assert found("Organization", contained) == [{"reference": "#o"}]
    assert found("Patient", contained) == []


def test_walks_name_json_properties() -> None:
    (walk,) = fhirpath.compile("Observation.value.as(Quantity).unit").walks("Observation") or ()
    assert (walk.names, walk.type, walk.primitive) == (("valueQuantity", "unit"), "string", True)
    assert fhirpath.compile("Patient.name.first()").walks("Patient") is None


def test_resolve_finds_contained_bundled_and_given_resources() -> None:
    def names(resource: Any, expression: str, resolver: Any = None) -> list[Any]:
        return fhirpath.compile(expression, strict=True).evaluate(resource, None, resolver)

    assert names(PATIENT, "Patient.managingOrganization.resolve().name") == ["Clinic"]
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {
                "fullUrl": "urn:uuid:0",
                "resource": {"resourceType": "Practitioner", "name": [{"text": "D"}]},
            },
            {"resource": {"resourceType": "Practitioner", "id": "1", "name": [{"text": "E"}]}},
            {"resource": PATIENT},
        ],
    }
    path = "entry.resource.ofType(Patient).generalPractitioner.resolve().ofType(Practitioner)"
    assert names(bundle, f"{path}.name.text") == ["E", "D"]
    assert names(bundle, "entry.resource.managingOrganization.resolve().name") == ["Clinic"]
    asked: list[str] = []

    def resolver(reference: str) -> dict[str, Any] | None:
        asked.append(reference)
        return {"resourceType": "Practitioner", "active": True} if "Pract" in reference else None

    found = names(PATIENT, "generalPractitioner.resolve().active", resolver)
    assert found == [True]
    assert len(asked) == 3


def test_variables() -> None:
    evaluate = fhirpath.evaluate
    assert evaluate("%a + 1", PATIENT, {"a": 4}) == [5]
    assert evaluate("%a.sum()", PATIENT, {"a": [1.5, 2.5]}) == [4]
    assert evaluate("%list.count()", PATIENT, {"list": [1, 2, 3]}) == [3]
    assert evaluate("%q.family", PATIENT, {"q": {"family": "X"}}) == ["X"]
    assert evaluate("%none.empty()", PATIENT, {"none": None}) == [True]
    assert evaluate("%resource.id", {"id": "x"}, {"resource": PATIENT}) == ["p"]
    assert evaluate("%rootResource.id", PATIENT) == ["p"]
    assert evaluate("%`vs-x`", PATIENT) == ["http://hl7.org/fhir/ValueSet/x"]


def test_check_of_an_invariant() -> None:
    rule = fhirpath.compile("name.exists() or telecom.exists()")
    without, with_name = PATIENT["contact"]
    assert not rule.check(without, PATIENT, type_="Patient.contact")
    assert rule.check(with_name, PATIENT, type_="Patient.contact")
    inner = fhirpath.compile("%resource.id = 'o' and %rootResource.id = 'p'")
    assert inner.check(PATIENT["contained"][0], PATIENT["contained"][0], PATIENT)
    assert fhirpath.compile("{}").check(PATIENT), "what cannot be told is no fault"


def test_without_a_type_the_json_is_walked() -> None:
    data = {"a": [{"b": [1, 2.5]}, {"b": "x"}], "valueQuantity": {"unit": "mg"}}
    assert fhirpath.evaluate("a.b", data) == [1, Decimal("2.5"), "x"]
    assert fhirpath.evaluate("a.b.where($this is String)", data) == ["x"]
    assert fhirpath.evaluate("value.unit", data) == ["mg"]
    assert fhirpath.evaluate("nothing", data) == []
    assert fhirpath.evaluate("Own.a.b[0]", {"resourceType": "Own", **data}) == [1]
    assert fhirpath.evaluate("1 + 1", None) == [2]


def test_strict_and_lenient_readings() -> None:
    for expression in ("Patient.nothing", "Observation.code", "Patient.name.as(HumanName).x"):
        with pytest.raises(FhirPathError):
            fhirpath.evaluate(expression, PATIENT)
        assert fhirpath.compile(expression).evaluate(PATIENT) == []
    several = "Patient.contact.as(BackboneElement)"
    assert len(fhirpath.compile(several).evaluate(PATIENT)) == 2
    with pytest.raises(FhirPathError):
        fhirpath.evaluate("Patient.children().first()", PATIENT)


def test_results_are_plain_json() -> None:
    assert fhirpath.evaluate("@2012-02-01T10:00Z | @T10:30", PATIENT) == [
        "2012-02-01T10:00Z",
        "10:30",
    ]
    assert fhirpath.evaluate("1.50 'mg'", PATIENT) == [
        {
            "value": Decimal("1.50"),
            "unit": "mg",
            "system": "http://unitsofmeasure.org",
            "code": "mg",
        }
    ]
    assert fhirpath.evaluate("Patient.birthDate", PATIENT) == [NOTE]
    assert fhirpath.evaluate("Patient.name.given", PATIENT) == ["B", NOTE]


@pytest.mark.parametrize(
    "expression",
    [
        ".".join(["name"] * 1000),
        "(" * 500 + "1" + ")" * 500,
        "+".join(["1"] * 1000),
        "-" * 1000 + "1",
        "not(" * 300 + "true" + ")" * 300,
        "'" + "x" * 60_000 + "'",
    ],
)
def test_deep_and_long_expressions_are_refused(expression: str) -> None:
    with pytest.raises(SyntaxFault):
        fhirpath.evaluate(expression, PATIENT)


def test_runaway_expressions_end() -> None:
    doubling = "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30)"
    with pytest.raises(ExecutionFault):
        fhirpath.evaluate(f"{doubling}.aggregate($total & $total, 'abcdefgh')", PATIENT)
    with pytest.raises(ExecutionFault):
        fhirpath.evaluate(f"{doubling}.aggregate($total.combine($total), 1)", PATIENT)
