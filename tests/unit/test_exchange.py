"""The Prefer header and query parameters of a request."""

from __future__ import annotations

import pytest

from fhir_server.access.grant import Grant
from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, Prefer


def test_r_22_prefer_has_return_and_handling() -> None:
    prefer = Prefer("return=minimal; handling=lenient, respond-async")
    assert (prefer.returning, prefer.handling) == ("minimal", "lenient")
    assert (Prefer("").returning, Prefer("").handling) == ("", "")


@pytest.mark.parametrize("header", ["return=all", "handling=loose"])
def test_r_22_unknown_preferences_are_refused(header: str) -> None:
    with pytest.raises(MalformedRequest):
        _ = Prefer(header).returning + Prefer(header).handling


def test_the_last_of_a_repeated_parameter_counts() -> None:
    request = FhirRequest("GET", "Patient", Grant.closed(), "", query=(("a", "1"), ("a", "2")))
    assert request.parameter("a") == "2"
    assert request.parameter("b") is None
