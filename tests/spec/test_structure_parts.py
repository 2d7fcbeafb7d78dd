"""What is wrong in contained resources, Bundles, Parameters, extensions and narratives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spec.structures import (
    DIV,
    ORGANIZATION,
    Faulty,
    contained,
    extended,
    faults,
    narrative,
    patient,
)

WRONG: Faulty = {
    # contained, Bundle, Parameters
    "a contained type that is none": (
        contained({"resourceType": "Foo", "id": "1"}), [("structure", "Patient.contained[0]")],
    ),
    "contained without id": (
        contained({"resourceType": "Organization", "name": "n"}),
        [("required", "Patient.contained[0].id")],
    ),
    "contained in contained": (
        contained(ORGANIZATION | {"contained": [ORGANIZATION]}),
        [("invariant", "Patient.contained[0].contained")],
    ),
    "a fault in contained": (
        contained(ORGANIZATION | {"active": "yes"}),
        [("structure", "Patient.contained[0].active")],
    ),
    "faults in entries": (
        {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": patient(gender="x")}, {"resource": {"resourceType": "Nothing"}},
        ]},
        [("code-invalid", "Bundle.entry[0].resource.gender"),
         ("structure", "Bundle.entry[1].resource")],
    ),
    "a fault in parameters": (
        {"resourceType": "Parameters", "parameter": [
            {"name": "a", "part": [{"name": "b", "resource": patient(gender="x")}]},
        ]},
        [("code-invalid", "Parameters.parameter[0].part[0].resource.gender")],
    ),
    # extensions
    "an extension without url": (
        patient(extension=[{"valueString": "a"}]), [("required", "Patient.extension[0].url")],
    ),
    "an extension with both": (
        extended(valueString="a", extension=[{"url": "a", "valueCode": "b"}]),
        [("invariant", "Patient.extension[0]")],
    ),
    "an extension with neither": (extended(), [("invariant", "Patient.extension[0]")]),
    "an extension with two values": (
        extended(valueString="a", valueCode="b"), [("structure", "Patient.extension[0].value")],
    ),
    # narrative
    "a script": (narrative("<script>alert(1)</script>"), [("invariant", "Patient.text.div")]),
    "an event handler": (
        narrative('<p onclick="x()">a</p>'), [("invariant", "Patient.text.div")],
    ),
    "a script url": (
        narrative('<a href=" JavaScript:x()">a</a>'), [("invariant", "Patient.text.div")],
    ),
    "another namespace": (
        patient(text={"status": "generated", "div": "<div>a</div>"}),
        [("invariant", "Patient.text.div")],
    ),
    "foreign content": (
        narrative('<svg xmlns="http://www.w3.org/2000/svg"/>a'),
        [("invariant", "Patient.text.div")],
    ),
    "an HTML entity": (narrative("a&nbsp;b"), [("structure", "Patient.text.div")]),
    "no XML": (narrative("<p>a"), [("invariant", "Patient.text.div")]),
    "an entity of its own": (
        patient(text={"status": "generated", "div": '<!DOCTYPE div [<!ENTITY a "b">]>'
                + DIV.format("&a;")}),
        [("structure", "Patient.text.div")],
    ),
    "a processing instruction": (narrative("<?php x ?>a"), [("invariant", "Patient.text.div")]),
    "no content": (narrative("<p> </p>"), [("invariant", "Patient.text.div")]),
    # all at once
    "many faults": (
        patient(foo=1, gender="x", name=[{"given": [""], "bar": 2}], birthDate="x"),
        [
            ("structure", "Patient.foo"),
            ("code-invalid", "Patient.gender"),
            ("value", "Patient.name[0].given[0]"),
            ("structure", "Patient.name[0].bar"),
            ("value", "Patient.birthDate"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_fault_has_its_code_and_place(resource: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(resource) == expected
