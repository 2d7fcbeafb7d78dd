"""JSON Patch: everything is done or nothing, and every error says which operation (R-19)."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.errors import FhirError, MalformedContent, Unprocessable
from fhir_server.fhir import codec
from fhir_server.fhir.patch.json_patch import json_patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "name": [{"family": "A", "given": ["B"]}],
    "extension": [{"url": "u", "valueDecimal": Decimal("1.50")}],
}


def patched(*operations: Any) -> dict[str, Any]:
    before = copy.deepcopy(PATIENT)
    try:
        return json_patch(PATIENT, json.dumps(operations).encode())
    finally:
        assert before == PATIENT


def test_operations_follow_one_another() -> None:
    changed = patched(
        {"op": "test", "path": "/active", "value": True},
        {"op": "replace", "path": "/name/0/family", "value": "C"},
        {"op": "add", "path": "/name/-", "value": {"text": "D"}},
        {"op": "copy", "from": "/name/1", "path": "/name/0"},
        {"op": "move", "from": "/active", "path": "/deceasedBoolean"},
    )
    assert changed["name"] == [{"text": "D"}, {"family": "C", "given": ["B"]}, {"text": "D"}]
    assert changed["deceasedBoolean"] is True
    assert "active" not in changed


def test_numbers_keep_their_spelling() -> None:
    body = b'[{"op":"add","path":"/extension/-","value":{"url":"v","valueDecimal":1.20e3}}]'
    encoded = codec.encode(json_patch(PATIENT, body))
    assert b'"valueDecimal":1.50' in encoded
    assert b'"valueDecimal":1.20e3' in encoded


def test_what_is_emptied_goes_too() -> None:
    changed = patched(
        {"op": "remove", "path": "/name/0/given/0"}, {"op": "remove", "path": "/extension/0"}
    )
    assert changed["name"] == [{"family": "A"}]
    assert "extension" not in changed


def test_an_emptied_array_can_be_filled_again() -> None:
    changed = patched(
        {"op": "remove", "path": "/name/0"},
        {"op": "add", "path": "/name/-", "value": {"text": "N"}},
    )
    assert changed["name"] == [{"text": "N"}]


MALFORMED: list[bytes] = [
    b"{}",
    b'"x"',
    b"[1]",
    b"[{}]",
    b'[{"op":"destroy","path":"/active"}]',
    b'[{"op":["add"],"path":"/active"}]',
    b'[{"op":"remove"}]',
    b'[{"op":"remove","path":"active"}]',
    b'[{"op":"remove","path":1}]',
    b'[{"op":"remove","path":"/a~2"}]',
    b'[{"op":"move","path":"/active"}]',
    b'[{"op":"add","path":"/active"}]',
    b'[{"op":"test","path":"/active"}]',
    b'[{"op":"remove","op":"add","path":"/active","value":1}]',
]


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_no_json_patch_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedContent):
        json_patch(PATIENT, body)


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"op": "test", "path": "/active", "value": 1}, "Patient.active"),
    ({"op": "test", "path": "/active", "value": False}, "Patient.active"),
    ({"op": "test", "path": "/missing", "value": None}, "Patient.missing"),
    ({"op": "remove", "path": "/missing"}, "Patient.missing"),
    ({"op": "remove", "path": "/name/1"}, "Patient.name[1]"),
    ({"op": "remove", "path": "/name/-"}, "Patient.name.-"),
    ({"op": "remove", "path": ""}, "Patient"),
    ({"op": "replace", "path": "/gender", "value": "x"}, "Patient.gender"),
    ({"op": "replace", "path": "/active/x", "value": "x"}, "Patient.active.x"),
    ({"op": "add", "path": "/name/5", "value": {}}, "Patient.name[5]"),
    ({"op": "add", "path": "/name/x", "value": {}}, "Patient.name.x"),
    ({"op": "add", "path": "/contact/0/gender", "value": "x"}, "Patient.contact[0].gender"),
    ({"op": "add", "path": "/id/x", "value": "x"}, "Patient.id.x"),
    ({"op": "move", "from": "/name", "path": "/name/0"}, "Patient.name[0]"),
    ({"op": "copy", "from": "/missing", "path": "/name"}, "Patient.name"),
]


@pytest.mark.parametrize(("operation", "place"), IMPOSSIBLE)
def test_what_cannot_be_done_says_where(operation: dict[str, Any], place: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        patched({"op": "test", "path": "/id", "value": "1"}, operation)
    [issue] = caught.value.issues
    assert issue.expression == (place,)
    assert issue.diagnostics.startswith("Operation 1 of the JSON Patch")


def test_the_root_must_stay_an_object() -> None:
    values: list[Any] = [[], "x", None]
    for value in values:
        with pytest.raises(FhirError) as caught:
            patched({"op": "replace", "path": "", "value": value})
        assert caught.value.status == 422
