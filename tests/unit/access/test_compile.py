"""Scopes become a grant that reaches what the person may have, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.access.compile import compile_grant, conditions, understood
from fhir_server.access.grant import NOTHING, Action, Grant
from fhir_server.access.principal import principal_of
from fhir_server.access.scopes import parse_scope, parse_scopes
from fhir_server.fhir import definitions
from fhir_server.search.registry import Registry

REGISTRY = Registry(definitions.load())
BASE = "https://ehr.example.org/fhir"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def grant(scope: str, **claims: Any) -> Grant:
    all_claims = {"sub": "account", "client_id": "app", "scope": scope, **claims}
    return compile_grant(principal_of(all_claims, "", BASE), REGISTRY, BASE)


PATIENT = {"patient": "1", "fhirUser": "Patient/1"}
MINE = {"k": ["*", "in=Patient/1"]}
THEIRS = {"k": ["*", "in=Patient/2"]}

REACH = [
    # scopes, claims, type, action, keys, permitted
    ("patient/Observation.rs", PATIENT, "Observation", "r", MINE, True),
    ("patient/Observation.rs", PATIENT, "Observation", "r", THEIRS, False),
    ("patient/Observation.rs", PATIENT, "Observation", "u", MINE, False),
    ("patient/Observation.rs", PATIENT, "Condition", "r", MINE, False),
    ("patient/*.rs", PATIENT, "Organization", "s", {"k": ["*"]}, True),
    ("patient/*.cruds", PATIENT, "Organization", "u", {"k": ["*"]}, False),
    ("patient/*.rs", PATIENT, "Device", "r", {"k": ["*"]}, False),
    ("patient/*.rs", PATIENT, "Binary", "r", {"k": ["*"]}, False),
    ("patient/*.rs", PATIENT, "Task", "s", {"k": ["*"]}, False),
    ("patient/*.cruds", PATIENT, "Goal", "c", MINE, True),
    (
        *("patient/*.cruds", PATIENT, "Goal", "c"),
        *({"k": ["*", "in=Patient/1", "in=Patient/2"]}, False),
    ),
    (
        *("patient/*.cruds", PATIENT, "Goal", "r"),
        *({"k": ["*", "in=Patient/1", "in=Patient/2"]}, True),
    ),
    ("patient/*.rs", {}, "Observation", "r", MINE, False),
    ("patient/*.rs", {"fhirUser": "Practitioner/9"}, "Observation", "r", MINE, False),
    ("user/*.rs", {"fhirUser": "Practitioner/9"}, "Observation", "r", THEIRS, True),
    ("user/*.rs", {"fhirUser": f"{BASE}/Practitioner/9"}, "Observation", "r", THEIRS, True),
    ("user/*.rs", PATIENT, "Observation", "r", MINE, True),
    ("user/*.rs", PATIENT, "Observation", "r", THEIRS, False),
    ("user/*.rs", {"fhirUser": "RelatedPerson/3"}, "Observation", "r", MINE, False),
    ("user/*.rs", {"fhirUser": "RelatedPerson/3", "patient": "1"}, "Goal", "r", MINE, True),
    ("user/*.rs", {"fhirUser": "RelatedPerson/3", "patient": "1"}, "Goal", "r", THEIRS, False),
    ("user/*.rs", {}, "Observation", "r", MINE, False),
    ("user/*.rs", {"sub": "app"}, "Observation", "r", MINE, False),
    ("system/*.rs", {"sub": "app"}, "Observation", "r", THEIRS, True),
    ("system/*.rs", {}, "Observation", "r", THEIRS, False),
    ("system/*.rs", PATIENT, "Observation", "r", MINE, False),
    ("system/*.rs", {"fhirUser": "Practitioner/9"}, "Observation", "r", MINE, False),
    ("system/*.rs", {"fhirUser": "Person/9", "sub": "app"}, "Observation", "r", MINE, False),
    ("openid fhirUser", PATIENT, "Patient", "r", {**MINE, "_id": "1"}, True),
    ("openid fhirUser", PATIENT, "Patient", "s", {**MINE, "_id": "1"}, False),
    ("openid fhirUser", PATIENT, "Patient", "r", {**THEIRS, "_id": "2"}, False),
    ("openid", PATIENT, "Patient", "r", {**MINE, "_id": "1"}, False),
    ("fhirUser", {"fhirUser": "Person/9"}, "Person", "r", {"k": ["*"], "_id": "9"}, False),
]


@pytest.mark.parametrize(("scope", "claims", "type_", "action", "keys", "permitted"), REACH)
def test_reach(
    scope: str,
    claims: dict[str, str],
    type_: str,
    action: str,
    keys: dict[str, Any],
    permitted: bool,
) -> None:
    found = grant(scope, **claims)
    assert found.decide(type_, Action(action), keys).permitted is permitted
    if permitted:
        assert found.allows(type_, Action(action))


def test_scopes_of_nobody_permit_nothing_but_are_somebodys() -> None:
    found = grant("openid")
    assert found.identified
    assert not found.rules
    assert found.filter("Patient", Action.READ) is NOTHING


def test_granular_scopes_are_alternatives_of_conjunctions_s_33_s_34() -> None:
    found = grant(
        f"patient/Observation.rs?category={CATEGORY}|laboratory&status=final "
        f"patient/Observation.rs?code=1-1",
        **PATIENT,
    )
    keys = ["*", "in=Patient/1"]
    laboratory, final = f"category={CATEGORY}|laboratory", "status=final"

    def may(*more: str) -> bool:
        document = {"k": [*keys, *more]}
        return found.decide("Observation", Action.SEARCH, document).permitted

    assert may(laboratory, final)
    assert may("code=1-1")
    assert not may(laboratory)
    assert not may(final)
    assert not may()


def test_a_plain_scope_beside_a_granular_one_wins_s_34() -> None:
    found = grant("patient/Observation.rs?status=final patient/Observation.rs", **PATIENT)
    assert found.decide("Observation", Action.READ, MINE).permitted


UNDERSTOOD = [
    "patient/Observation.rs?category=laboratory",
    "patient/Observation.rs?category=laboratory,vital-signs",
    "patient/Observation.rs?date=ge2024",
    "patient/Observation.rs?value-quantity=gt5||mg",
    "patient/Observation.rs?code-value-quantity=1-1$gt5",
    "patient/Observation.rs?_id=a",
    "patient/Observation.rs?_lastUpdated=ge2024",
    "patient/Observation.rs?_security=R",
    "patient/Patient.rs?family=dupont",
    "patient/Observation.rs?performer=Practitioner/1",
    "patient/DocumentReference.rs?type=http://loinc.org|34133-9",
]
REFUSED = [
    "patient/Observation.rs?nonsense=a",
    "patient/Observation.rs?_include=Observation:subject",
    "patient/Observation.rs?category=a&_include=*",
    "patient/Observation.rs?category=a&_revinclude=Patient:link",
    "patient/Observation.rs?_sort=date",
    "patient/Observation.rs?_count=1",
    "patient/Observation.rs?_filter=a",
    "patient/Observation.rs?_text=a",
    "patient/Observation.rs?_content=a",
    "patient/Observation.rs?_has=a",
    "patient/Observation.rs?_type=Patient",
    "patient/Observation.rs?_elements=a",
    "patient/Observation.rs?_cursor=a",
    "patient/Observation.rs?date=yesterday",
    "patient/Observation.rs?date=ap2024",
    "patient/Observation.rs?value-quantity=much",
    "patient/Observation.rs?category=,",
    "patient/Location.rs?near=1|2",
]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_any_search_parameter_of_the_type_makes_a_granular_scope(text: str) -> None:
    scope = parse_scope(text)
    assert scope is not None
    assert conditions(scope, REGISTRY, BASE)
    assert understood(parse_scopes(text), REGISTRY, BASE).resources == (scope,)


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_search_understands_is_refused_and_grants_nothing(text: str) -> None:
    scopes = understood(parse_scopes(text), REGISTRY, BASE)
    assert scopes.resources == ()
    assert scopes.unknown == (text,)
    assert grant(text, **PATIENT).rules == ()
