"""Which representation a caller gets (R-23). https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import pytest

from fhir_server.errors import NotAcceptable
from fhir_server.http.negotiation import negotiate

ACCEPTED = [
    ("", None, "application/fhir+json"),
    ("*/*", None, "application/fhir+json"),
    ("application/json", None, "application/json"),
    ("application/fhir+xml", None, "application/fhir+xml"),
    ("application/fhir+json; fhirVersion=4.0", None, "application/fhir+json"),
    ("application/fhir+json;q=0.5, application/fhir+xml", None, "application/fhir+xml"),
    ("text/html, application/fhir+xml;q=0", None, "application/fhir+json"),
    ("image/png, application/xml", None, "application/xml"),
    ("application/fhir+json", "xml", "application/fhir+xml"),
    ("image/png", "json", "application/fhir+json"),
    ("", "application/fhir xml", "application/fhir+xml"),
    ("", "text/xml", "application/fhir+xml"),
]


@pytest.mark.parametrize(("accept", "format_", "expected"), ACCEPTED)
def test_r_23_the_accept_header_and_format_choose(
    accept: str, format_: str | None, expected: str
) -> None:
    assert negotiate(accept, format_).content_type == f"{expected}; charset=utf-8"


REFUSED = [
    ("image/png", None),
    ("application/fhir+json; fhirVersion=3.0", None),
    ("application/fhir+json;q=0", None),
    ("", "turtle"),
    ("application/json", "ttl"),
    ("", ""),
]


@pytest.mark.parametrize(("accept", "format_"), REFUSED)
def test_r_23_what_is_not_offered_is_not_acceptable(accept: str, format_: str | None) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accept, format_)
