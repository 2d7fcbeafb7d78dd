"""Parameters resources read and written."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.errors import MalformedContent
from fhir_server.fhir.parameters import Parameter, read, write


def test_parameters_are_read_with_their_type_and_place() -> None:
    patient = {"resourceType": "Patient"}
    rows = [
        {"name": "a", "valueCode": "x"},
        {"name": "b", "resource": patient},
        {"name": "c", "part": [{"name": "d", "valueInteger": 1}]},
    ]
    assert list(read({"resourceType": "Parameters", "parameter": rows})) == [
        Parameter("a", "code", "x", "Parameters.parameter[0]"),
        Parameter("b", "Resource", patient, "Parameters.parameter[1]"),
        Parameter("c", "", None, "Parameters.parameter[2]"),
    ]


def test_what_is_written_is_read_alike() -> None:
    made = write(("a", "dateTime", "2020"), ("b", "Resource", {"resourceType": "Group"}))
    assert made["parameter"][0] == {"name": "a", "valueDateTime": "2020"}
    assert [given.value for given in read(made)] == ["2020", {"resourceType": "Group"}]


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": ["x"]},
        {"resourceType": "Parameters", "parameter": [{}]},
        {"resourceType": "Parameters", "parameter": [{"name": 1}]},
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "a", "valueCode": "", "valueUri": ""}],
        },
    ],
)
def test_what_is_no_parameters_resource_is_malformed(resource: dict[str, Any]) -> None:
    with pytest.raises(MalformedContent):
        list(read(resource))
