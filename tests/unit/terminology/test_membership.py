"""Bindings answered from what the program brings."""

from __future__ import annotations

import pytest

from fhir_server.terminology.membership import Membership

R4 = "http://hl7.org/fhir/ValueSet"
MEMBERSHIP = Membership()


@pytest.mark.parametrize(
    ("value_set", "system", "code", "answer"),
    [
        ("administrative-gender", "http://hl7.org/fhir/administrative-gender", "male", True),
        ("administrative-gender", "http://hl7.org/fhir/administrative-gender", "Male", False),
        ("administrative-gender", "http://example.org", "male", False),
        ("administrative-gender", None, "male", True),
        ("administrative-gender", None, "man", False),
        ("administrative-gender|4.0.1", None, "male", True),
        ("administrative-gender|3.0.0", None, "male", True),
        ("ucum-units", None, "mg/dL", True),
        ("ucum-units", None, "mgg", False),
        ("mimetypes", None, "application/fhir+json", True),
        ("mimetypes", None, "json", False),
        ("all-languages", "urn:ietf:bcp:47", "fr-CH", True),
        ("currencies", "urn:iso:std:iso:4217", "EUR", True),
        ("currencies", "urn:iso:std:iso:4217", "EURO", False),
        ("observation-codes", "http://loinc.org", "4548-4", None),
        ("observation-codes", "http://example.org", "4548-4", False),
        ("no-such-set", None, "x", None),
        # the only codes of an abstract concept's set that a record may have are those below it
        ("consent-category", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "ICOL", True),
        (
            *("consent-category", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
            *("_ActConsentType", False),
        ),
    ],
)
def test_a_code_is_in_a_value_set_or_not(value_set, system, code, answer):
    assert MEMBERSHIP.contains(f"{R4}/{value_set}", system, code) is answer


def test_a_set_that_can_be_listed_is_a_plain_set():
    codings = MEMBERSHIP.codings(f"{R4}/narrative-status")
    assert codings == {
        ("http://hl7.org/fhir/narrative-status", code)
        for code in ("generated", "extensions", "additional", "empty")
    }
    assert MEMBERSHIP.codings(f"{R4}/mimetypes") is None
