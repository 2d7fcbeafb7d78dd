"""What is refused, and the shape of what is asked of the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.fhir import definitions
from fhir_server.search.expression import parse, terms
from fhir_server.search.folding import fold, sound
from fhir_server.search.kinds import MatchContext
from fhir_server.search.registry import Registry
from fhir_server.search.values import parts, unescape

REGISTRY = Registry(definitions.load())


class Codes:
    """A terminology of one hierarchy, a > b > c."""

    def below(self, system: str | None, code: str) -> Sequence[tuple[str, str]]:
        return [("urn:x", one) for one in "abc"["abc".index(code) :]]

    def above(self, system: str | None, code: str) -> Sequence[tuple[str, str]]:
        return [("urn:x", one) for one in "abc"[: "abc".index(code) + 1]]

    def expand(self, value_set: str) -> Sequence[tuple[str, str]]:
        return [("urn:x", "a"), ("urn:y", value_set)]


def match(type_: str, search: str, terminology: Codes | None = None) -> dict[str, Any]:
    name, _, value = search.partition("=")
    code, _, modifier = name.partition(":")
    parameter = REGISTRY.find(type_, code)
    assert parameter is not None
    context = MatchContext(type_, REGISTRY, "http://server.example/fhir", 0, terminology)
    return parameter.kind.match(parameter, modifier, parts(value, ","), context)


@pytest.mark.parametrize(
    ("type_", "search"),
    [
        ("Patient", "name:text=a"),
        ("Patient", "name:not=a"),
        ("Patient", "gender:exact=male"),
        ("Patient", "gender:contains=male"),
        ("Patient", "birthdate:exact=2000"),
        ("Patient", "birthdate:not=2000"),
        ("Patient", "phonetic:exact=a"),
        ("Patient", "_id:exact=a"),
        ("Patient", "_lastUpdated:not=2000"),
        ("Observation", "value-quantity:not=5"),
        ("Observation", "subject:exact=Patient/1"),
        ("Observation", "subject:Pateint=1"),
        ("Observation", "code-value-quantity:not=a$5"),
        ("Observation", "code:in=http://example.org/vs"),
        ("Observation", "code:below=http://loinc.org|1"),
        ("RiskAssessment", "probability:exact=1"),
        ("ValueSet", "url:contains=a"),
        ("Location", "near:exact=1|1"),
        ("Patient", "_text:exact=a"),
        ("Patient", "_query=a"),
    ],
)
def test_q_02_modifiers_that_do_not_go_with_the_type(type_: str, search: str) -> None:
    with pytest.raises(UnsupportedParameter):
        match(type_, search)


@pytest.mark.parametrize(
    ("type_", "search"),
    [
        ("Patient", "birthdate=abc"),
        ("Patient", "birthdate=gt"),
        ("Patient", "birthdate=2000-02-30"),
        ("Patient", "birthdate=2000-01-01T10"),
        ("Patient", "birthdate=2000-01-01T24:00"),
        ("Patient", "birthdate=xx2000"),
        ("Patient", "birthdate=20000"),
        ("Patient", "_lastUpdated=now"),
        ("RiskAssessment", "probability=one"),
        ("RiskAssessment", "probability=gt"),
        ("RiskAssessment", "probability=1e9999"),
        ("RiskAssessment", "probability=NaN"),
        ("RiskAssessment", "probability=١"),
        ("Observation", "value-quantity=5|kg"),
        ("Observation", "value-quantity=5||"),
        ("Observation", "value-quantity=5|a|b|c"),
        ("Observation", "value-quantity=|a|b"),
        ("Observation", "code=a|b|c"),
        ("Observation", "code=a\0"),
        ("Observation", "code-value-quantity=urn:\0|$5"),
        ("Patient", "family:contains=a\0"),
        ("Observation", "code=|"),
        ("Observation", "code:missing=yes"),
        ("Observation", "code:missing=true,false"),
        ("Observation", "subject:Patient=Group/1"),
        ("Observation", "subject=a b"),
        ("Observation", "code-value-quantity=a"),
        ("Observation", "code-value-quantity=a$b$c"),
        ("Observation", "code-value-quantity=$5"),
        ("Observation", "code-value-quantity=a$x"),
        ("Patient", "identifier:of-type=a|b"),
        ("Patient", "identifier:of-type=a||b"),
        ("Patient", "name=..."),
        ("Patient", "name=" + "x" * 201),
        ("Patient", "name:contains=" + "x" * 1_000_000),
        ("ValueSet", "url:below=http://" + "x" * 1_000),
        ("Location", "near=here"),
        ("Location", "near=91|0"),
        ("Location", "near=1|1|1|parsec"),
        ("Location", "near=1|1|-1|km"),
        ("Location", "near=NaN|1"),
    ],
)
def test_q_03_bad_values(type_: str, search: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        match(type_, search)
    assert 0 < len(caught.value.issues[0].diagnostics) < 400


def test_q_18_prefixes_are_part_of_other_values() -> None:
    assert match("Patient", "gender=gtmale") == {"k": "gender=gtmale"}
    assert match("Patient", "family=le") == {
        "k": {"$elemMatch": {"$gte": "family=le", "$lt": "family=le\U0010ffff"}}
    }


def test_q_33_concepts_by_terminology() -> None:
    def found(search: str) -> Any:
        return match("Observation", search, Codes())["k"]

    assert found("code:below=urn:x|b") == {"$in": ["code=urn:x|b", "code=urn:x|c"]}
    assert found("code:above=urn:x|b") == {"$in": ["code=urn:x|a", "code=urn:x|b"]}
    assert found("code:in=http://v") == {"$in": ["code=urn:x|a", "code=urn:y|http://v"]}
    assert found("code:not-in=http://v") == {"$nin": ["code=urn:x|a", "code=urn:y|http://v"]}


def test_q_26_nothing_of_the_text_becomes_an_operator() -> None:
    assert match("Patient", "identifier=$ne") == {"k": "identifier=\\$ne"}


def test_q_26_signs_of_regular_expressions_are_escaped() -> None:
    pattern = match("Patient", "family:contains=a+b|c")["k"]["$regex"]
    assert pattern == r"^family\+?=.*a\+b\|c"


def test_the_patient_is_looked_for_in_p() -> None:
    assert match("Observation", "patient=1") == {"p": "1"}
    assert match("Observation", "subject=Patient/1") == {"p": "1"}
    assert match("Observation", "patient=Patient/1,2") == {"p": {"$in": ["1", "2"]}}
    assert match("Observation", "subject=Group/1") == {"k": "subject=Group/1"}
    assert match("Appointment", "patient=1") == {"k": "patient=Patient/1"}


@pytest.mark.parametrize(
    ("text", "separator", "found"),
    [
        ("a,b", ",", ["a", "b"]),
        (r"a\,b,c", ",", [r"a\,b", "c"]),
        (r"a\\,b", ",", [r"a\\", "b"]),
        (r"a\$b$c", "$", [r"a\$b", "c"]),
        ("a\\", ",", ["a\\"]),
        ("", ",", [""]),
    ],
)
def test_q_09_parts(text: str, separator: str, found: list[str]) -> None:
    assert parts(text, separator) == found


def test_q_09_unescape() -> None:
    assert unescape(r"a\,b\|c\$d\\e\f") == r"a,b|c$d\e\f"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Dupont", "dupont"),
        ("Élodie", "elodie"),
        ("E\u0301lodie", "elodie"),
        ("O'Brien", "obrien"),
        ("Jean-Luc  d’Arc", "jean luc darc"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ISPARTA ısparta", "isparta isparta"),
        ("ﬁn Ⅳ", "fin iv"),
        ("Ωμέγα", "ωμεγα"),
        ("李 小龍", "李 小龍"),
        ("a\u0000b", "a b"),
        ("...", ""),
    ],
)
def test_q_25_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_soundex() -> None:
    assert sound("Robert") == sound("Rupert") == "r163"
    assert sound("Ashcraft") == "a261"
    assert sound("Tymczak") == "t522"
    assert sound("Pfister") == "p236"
    assert sound("李") == "李"


def _is_a(name: str, ancestor: str) -> bool:
    return name == ancestor or ancestor == "Resource"


@pytest.mark.parametrize(
    ("term", "path"),
    [
        ("Patient.name", "name:name"),
        ("Resource.meta.tag", "name:meta name:tag"),
        ("name", "name:name"),
        ("(Patient.value as Quantity)", "name:value as:Quantity"),
        ("(Patient.value as CodeableConcept).text", "name:value as:CodeableConcept name:text"),
        ("Patient.onset.as(Age)", "name:onset as:Age"),
        ("Patient.a.ofType(B).c", "name:a as:B name:c"),
        ("Patient.x.where(resolve() is Patient)", "name:x resolves:Patient"),
        ("Patient.t.where(system='email').value", "name:t equals:system name:value"),
        ("Patient.entry[0].resource", "name:entry at:0 name:resource"),
        ("Patient", ""),
        ("%resource.a", "root: name:a"),
    ],
)
def test_plain_paths(term: str, path: str) -> None:
    found = parse(term, "Patient", _is_a)
    assert found is not None
    assert " ".join(f"{step.kind}:{step.name}" for step in found) == path


@pytest.mark.parametrize(
    "term",
    [
        "Patient.deceased.exists() and Patient.deceased != false",
        "Patient.name.first()",
        "Patient.a.where(b > 1)",
        "Patient.a + 1",
        "Patient.a.where(resolve().b is C)",
    ],
)
def test_other_expressions_go_to_the_engine(term: str) -> None:
    assert parse(term, "Patient", _is_a) is None


def test_terms() -> None:
    assert terms("A.b | (A.c as D) | A.where(x='|')") == ["A.b", "(A.c as D)", "A.where(x='|')"]
