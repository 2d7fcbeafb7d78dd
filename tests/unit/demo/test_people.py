"""The made-up people: the same at every run, valid, believable, and nobody's."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_server.demo import bundles
from fhir_server.demo.calendar import moment
from fhir_server.demo.identity import INS_DEMO, check_key
from fhir_server.fhir.codec import encode
from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

BUNDLES = bundles()
RESOURCES = [entry["resource"] for bundle in BUNDLES.values() for entry in bundle["entry"]]
PATIENTS = [resource for resource in RESOURCES if resource["resourceType"] == "Patient"]


def decoded(resource: dict[str, Any]) -> dict[str, Any]:
    return msgspec.json.decode(encode(resource), type=dict)


def test_two_runs_give_the_same_bytes():
    assert [encode(b) for b in bundles().values()] == [encode(b) for b in BUNDLES.values()]


def test_another_day_gives_other_records():
    other = bundles(date(2025, 3, 1))
    assert hashlib.sha256(b"".join(map(encode, other.values()))).digest() != (
        hashlib.sha256(b"".join(map(encode, BUNDLES.values()))).digest()
    )


def test_there_are_twelve_people_of_all_ages():
    ages = sorted(2026 - int(patient["birthDate"][:4]) for patient in PATIENTS)
    assert len(ages) == 12
    assert ages[0] == 0
    assert ages[-1] > 80
    assert len({age // 10 for age in ages}) >= 8


@pytest.mark.parametrize(
    ("type_", "least"),
    [
        ("Condition", 25), ("Observation", 1500), ("DiagnosticReport", 300),
        ("MedicationRequest", 50), ("AllergyIntolerance", 4), ("Immunization", 60),
        ("Appointment", 48), ("Communication", 24), ("Encounter", 300), ("Practitioner", 10),
    ],
)  # fmt: skip
def test_a_record_has_every_kind_of_entry(type_, least):
    assert Counter(resource["resourceType"] for resource in RESOURCES)[type_] >= least


def test_care_spans_ten_years():
    days = [r["effectiveDateTime"][:10] for r in RESOURCES if "effectiveDateTime" in r]
    assert min(days) < "2017-01-01"
    assert "2026-10-01" < max(days) < "2026-11-03"


def test_a_series_is_worth_plotting():
    hba1c = [
        r["valueQuantity"]["value"]
        for r in RESOURCES
        if r["resourceType"] == "Observation"
        and r["code"]["coding"][0]["code"] == "4548-4"
        and r["subject"]["reference"] == "Patient/yanis-delorvel"
    ]
    assert len(hba1c) >= 30
    assert sum(hba1c[:5]) / 5 - sum(hba1c[-5:]) / 5 > 1


def test_identities_are_of_the_demonstration_root_with_a_right_check_key():
    for patient in PATIENTS:
        (identifier,) = patient["identifier"]
        assert identifier["system"] == INS_DEMO
        number = identifier["value"]
        assert len(number) == 15
        assert int(number[13:]) == check_key(number[:13])
    assert len({patient["identifier"][0]["value"] for patient in PATIENTS}) == 12


def test_the_check_key_counts_corsica_as_19_and_18():
    assert check_key("269052A004007") == 97 - 2690519004007 % 97
    assert check_key("269052B004007") == 97 - 2690518004007 % 97


def test_every_reference_leads_to_a_resource_of_the_set():
    known = {f"{r['resourceType']}/{r['id']}" for r in RESOURCES}
    assert len(known) == len(RESOURCES)
    assert references(RESOURCES) <= known


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {node["reference"]} if isinstance(node.get("reference"), str) else set()
    return own | references(list(node.values()))


def test_our_own_validation_finds_no_fault():
    validator = Validator(load())
    assert [issue for r in RESOURCES for issue in validator.structure(r)] == []


def test_an_independent_reader_accepts_every_resource():
    for resource in RESOURCES:
        get_fhir_model_class(resource["resourceType"]).model_validate(decoded(resource))


@pytest.mark.parametrize(
    ("day", "offset"),
    [("2026-03-28", 1), ("2026-03-29", 2), ("2026-10-24", 2), ("2026-10-25", 1)],
)
def test_moments_have_the_offset_that_france_had(day, offset):
    shift = moment(date.fromisoformat(day), 12).utcoffset()
    assert shift is not None
    assert shift.total_seconds() == offset * 3600
