"""Extensions on any resource: each is held to its own definition, wherever that is known.

https://hl7.org/fhir/R4/extensibility.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation import Validator
from tests.spec.profiles.made import CORE, R4, observation, patient

EXTENSIONS: dict[str, tuple[Any, str]] = {
    "with a wrong type": (
        patient(extension=[{"url": f"{CORE}patient-birthPlace", "valueString": "a"}]),
        "must be of type Address",
    ),
    "with a part that it has not": (
        patient(extension=[{"url": f"{CORE}patient-nationality", "extension": [
            {"url": "x", "valueString": "a"}]}]),
        "has no part",
    ),
    "that stands elsewhere": (
        observation(extension=[{"url": f"{CORE}patient-birthPlace", "valueAddress": {
            "text": "a"}}]),
        "not allowed here",
    ),
    "with a relative name": (patient(extension=[{"url": "a", "valueCode": "b"}]), "absolute"),
    "as a modifier that it is not": (
        patient(modifierExtension=[{"url": f"{CORE}patient-birthPlace", "valueAddress": {
            "text": "a"}}]),
        "is no modifier",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "says"), EXTENSIONS.values(), ids=EXTENSIONS)
def test_an_extension_is_held_to_its_definition(resource: Any, says: str) -> None:
    found = [i for i in Validator(R4).errors(resource) if i.severity == "error"]
    assert any(says in issue.diagnostics for issue in found), found


def test_an_unknown_extension_is_a_warning_and_hinders_no_write() -> None:
    unknown = patient(modifierExtension=[{"url": "http://example.org/x", "valueCode": "b"}])
    assert Validator(R4).errors(unknown) == []
    told = [i for i in Validator(R4).validate(unknown) if "not known here" in i.diagnostics]
    assert [(i.severity, i.expression) for i in told] == [
        ("warning", ("Patient.modifierExtension[0]",))
    ]
