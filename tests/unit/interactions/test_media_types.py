"""What a body may be (R-24). https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import pytest

from fhir_server.access.grant import Grant
from fhir_server.errors import UnsupportedMediaType
from fhir_server.exchange import FhirRequest
from fhir_server.interactions.content import media_type


def media_of(content_type: str) -> str:
    headers = {"content-type": content_type} if content_type else {}
    return media_type(FhirRequest("POST", "Patient", Grant.closed(), "", headers=headers))


def test_r_24_only_fhir_bodies_in_utf_8_and_r4_are_read() -> None:
    assert media_of("application/fhir+json; charset=UTF-8") == "application/fhir+json"
    assert media_of("Text/XML; fhirVersion=4.0") == "text/xml"
    assert media_of("image/png") == "image/png"
    assert media_of("") == ""
    for wrong in ("application/fhir+json; charset=latin1", "application/json; fhirVersion=5.0"):
        with pytest.raises(UnsupportedMediaType):
            media_of(wrong)
