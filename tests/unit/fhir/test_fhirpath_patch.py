"""FHIRPath Patch beyond the published cases: its errors, choices, extensions, conditions (R-20)."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.errors import MalformedContent, Unprocessable
from fhir_server.fhir import codec
from fhir_server.fhir.patch.fhirpath_patch import fhirpath_patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "name": [
        {"use": "official", "family": "A", "given": ["B", "C", "B"]},
        {"use": "usual", "given": ["D"], "_given": [{"id": "d"}]},
    ],
    "birthDate": "1970-03-30",
    "deceasedBoolean": False,
    "contact": [{"gender": "male"}],
    "extension": [{"url": "u", "valueDecimal": Decimal("1.50")}],
}


def operation(type_: str, path: str, *parts: dict[str, Any]) -> dict[str, Any]:
    head = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": [*head, *parts]}


def value(**content: Any) -> dict[str, Any]:
    return {"name": "value", **content}


def named(name: str) -> dict[str, Any]:
    return {"name": "name", "valueString": name}


def patched(*operations: Any) -> dict[str, Any]:
    before = copy.deepcopy(PATIENT)
    try:
        return fhirpath_patch(PATIENT, {"resourceType": "Parameters", "parameter": [*operations]})
    finally:
        assert before == PATIENT


def test_a_condition_names_the_element() -> None:
    changed = patched(
        operation("replace", "Patient.name.where(use = 'usual').use", value(valueCode="old")),
        operation("delete", "Patient.name.where(use = 'official').family"),
    )
    assert [name["use"] for name in changed["name"]] == ["official", "old"]
    assert "family" not in changed["name"][0]


def test_a_condition_may_stand_last() -> None:
    changed = patched(operation("delete", "name.where(use = 'official')"))
    assert [name["use"] for name in changed["name"]] == ["usual"]
    changed = patched(operation("delete", "Patient.name.given.where($this = 'C')"))
    assert changed["name"][0]["given"] == ["B", "B"]


def test_an_index_names_one_of_equal_primitives() -> None:
    changed = patched(operation("replace", "Patient.name[0].given[2]", value(valueString="E")))
    assert changed["name"][0]["given"] == ["B", "C", "E"]


def test_primitives_keep_their_extensions_beside_them() -> None:
    changed = patched(
        operation(
            "insert", "Patient.name[1].given", {"name": "index", "valueInteger": 0},
            value(valueString="X"),
        )
    )  # fmt: skip
    assert changed["name"][1]["given"] == ["X", "D"]
    assert changed["name"][1]["_given"] == [None, {"id": "d"}]
    changed = patched(operation("delete", "Patient.name[1].given[0]"))
    assert changed["name"][1] == {"use": "usual"}


def test_an_extension_can_be_added_to_a_primitive() -> None:
    extension = {"url": "u", "valueString": "x"}
    changed = patched(
        operation(
            "add",
            "Patient.birthDate",
            named("extension"),
            {
                "name": "value",
                "part": [
                    {"name": "url", "valueUri": "u"},
                    {"name": "value", "valueString": "x"},
                ],
            },
        )
    )
    assert changed["birthDate"] == "1970-03-30"
    assert changed["_birthDate"] == {"extension": [extension]}


def test_a_choice_takes_the_type_of_its_new_value() -> None:
    changed = patched(operation("replace", "Patient.deceased", value(valueDateTime="2020")))
    assert changed["deceasedDateTime"] == "2020"
    assert "deceasedBoolean" not in changed


def test_a_choice_can_be_added_by_either_name() -> None:
    for name in ("multipleBirth", "multipleBirthInteger"):
        changed = patched(operation("add", "Patient", named(name), value(valueInteger=2)))
        assert changed["multipleBirthInteger"] == 2


def test_decimals_keep_their_spelling() -> None:
    literal = codec.decode(b'{"v":1.20e3}')["v"]
    changed = patched(
        operation("replace", "Patient.extension[0].value", value(valueDecimal=literal))
    )
    assert codec.encode(changed["extension"]) == b'[{"url":"u","valueDecimal":1.20e3}]'


def test_what_is_emptied_goes_too() -> None:
    assert "contact" not in patched(operation("delete", "Patient.contact[0].gender"))


def test_deleting_nothing_is_no_error() -> None:
    assert patched(operation("delete", "Patient.maritalStatus")) == PATIENT


def test_a_contained_resource_can_be_added_and_changed() -> None:
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    changed = patched(
        operation("add", "Patient", named("contained"), {"name": "value", "resource": group}),
        operation("replace", "Patient.contained[0].actual", value(valueBoolean=False)),
    )
    assert changed["contained"] == [{**group, "actual": False}]


MALFORMED: list[Any] = [
    1,
    {"name": "other"},
    {"name": "operation"},
    {"name": "operation", "part": [{"name": "type"}]},
    operation("destroy", "Patient.name"),
    operation("replace", "", value(valueString="x")),
    operation("replace", "Patient.birthDate"),
    operation("replace", "Patient.birthDate", {"name": "value"}),
    operation("delete", "Patient.name[0]", value(valueString="x")),
    operation("add", "Patient", value(valueString="x")),
    operation(
        "insert", "Patient.name", {"name": "index", "valueString": "1"}, value(valueCode="x")
    ),
    operation(
        "move",
        "Patient.name",
        {"name": "source", "valueInteger": -1},
        {"name": "destination", "valueInteger": 0},
    ),
    operation("delete", "Patient.name[0]", {"name": "type", "valueCode": "delete"}),
]


@pytest.mark.parametrize("parameter", MALFORMED)
def test_what_is_no_patch_is_malformed(parameter: Any) -> None:
    with pytest.raises(MalformedContent) as caught:
        patched(operation("delete", "Patient.contact[0]"), parameter)
    assert caught.value.issues[0].expression == ("Parameters.parameter[1]",)


def moved(source: int, destination: int) -> dict[str, Any]:
    return operation(
        "move",
        "Patient.name",
        {"name": "source", "valueInteger": source},
        {"name": "destination", "valueInteger": destination},
    )


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (operation("delete", "Patient.name"), "2 elements"),
    (operation("replace", "Patient.name.given", value(valueString="x")), "4 elements"),
    (operation("replace", "Patient.gender", value(valueCode="male")), "0 elements"),
    (operation("delete", "Patient.name[0].given.where($this = 'B').first()"), "by its index"),
    (operation("add", "Patient", named("birthDate"), value(valueDate="2000")), "use replace"),
    (operation("add", "Patient", named("nam"), value(valueString="x")), "did you mean name?"),
    (
        operation("add", "Patient.maritalStatus", named("text"), value(valueString="x")),
        "no content",
    ),
    (
        operation("add", "Patient", named("multipleBirth"), value(valueString="x")),
        "cannot be string",
    ),
    (operation("delete", "Patient"), "as a whole"),
    (operation("delete", "Patient.nome"), "nome"),
    (operation("delete", "Observation.code"), "Observation"),
    (operation("delete", "Patient.name.count()"), "does not end in an element"),
    (operation("delete", "Patient.name["), "unexpected"),
    (operation("delete", "1 + 1"), "does not end in an element"),
    (operation("delete", "(Patient.name.given)[0]"), "parentheses"),
    (moved(0, 2), "index 2 is beyond"),
    (moved(2, 0), "index 2 is beyond"),
    (
        operation(
            "insert", "Patient.name", {"name": "index", "valueInteger": 3}, value(valueCode="x")
        ),
        "index 3 is beyond",
    ),
    (
        operation(
            "insert",
            "Patient.birthDate",
            {"name": "index", "valueInteger": 0},
            value(valueDate="2000"),
        ),
        "not a list",
    ),
    (
        operation(
            "insert",
            "Patient.name.given",
            {"name": "index", "valueInteger": 0},
            value(valueString="x"),
        ),
        "2 lists",
    ),
    (
        operation(
            "insert", "Patient.name[0]", {"name": "index", "valueInteger": 0}, value(valueCode="x")
        ),
        "the list itself",
    ),
]


@pytest.mark.parametrize(("parameter", "text"), IMPOSSIBLE)
def test_what_cannot_be_done_says_why_and_where(parameter: dict[str, Any], text: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        patched(operation("delete", "Patient.contact[0]"), parameter)
    [issue] = caught.value.issues
    assert text in issue.diagnostics
    assert issue.expression == ("Parameters.parameter[1]",)
