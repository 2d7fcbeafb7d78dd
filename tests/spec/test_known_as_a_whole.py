"""Resources whose elements are all known are still judged as a whole: by names and invariants."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from fhir_server.errors import Issue
from fhir_server.fhir import codec, definitions, elements
from fhir_server.validation import Validator, known


def judged(validator: Validator, resource: Any) -> list[Issue]:
    content = elements.read(json.dumps(resource).encode())
    return validator.errors(content.resource, False, content.elements)


def looked_at(validator: Validator, resource: Any) -> list[Issue]:
    return validator.errors(codec.decode(json.dumps(resource).encode()))


PARTS: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "a",
    "status": "final",
    "code": {"text": "x"},
    "effectiveDateTime": "2020-01-01",
    "effectivePeriod": {"start": "2020-01-01"},
    "valueString": "x",
    "_valueString": {"id": "v"},
    "valueQuantity": {"value": 1.5, "unit": "kg"},
    "dataAbsentReason": {"text": "y"},
    "subject": {"reference": "#p"},
    "contained": [{"resourceType": "Patient", "id": "p"}],
}
"""Each of them right by itself."""


def test_parts_that_are_known_are_judged_together() -> None:
    validator, verdicts = Validator(definitions.load()), set()
    names = [name for name in PARTS if name not in ("resourceType", "id")]
    for time in range(2):
        for chosen in range(2 ** len(names)):
            some = {name for place, name in enumerate(names) if chosen >> place & 1}
            resource = {n: v for n, v in PARTS.items() if n in some or n not in names}
            found = judged(validator, resource)
            if time == 0:
                assert found == looked_at(validator, resource), sorted(some)
            verdicts.add((chosen, bool(found)))
    assert len(verdicts) == 2 ** len(names)
    assert {wrong for _, wrong in verdicts} == {True, False}


def test_right_elements_in_another_order_are_right() -> None:
    validator = Validator(definitions.load())
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    for names in itertools.permutations(resource):
        assert not judged(validator, {name: resource[name] for name in names})


@pytest.mark.parametrize(
    "wrong",
    [
        {"resourceType": ["Observation"], "status": "final", "code": {"text": "x"}},
        {"resourceType": "Observations", "status": "final", "code": {"text": "x"}},
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "": "x"},
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "_": {}},
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "toString": 1},
    ],
)
def test_names_that_nobody_knows_are_refused_each_time(wrong: Any) -> None:
    validator = Validator(definitions.load())
    for _ in range(3):
        found = judged(validator, wrong)
        assert found
        assert found == looked_at(validator, wrong)


def test_many_orders_of_names_are_forgotten_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_FORMS", 3)
    validator = Validator(definitions.load())
    right = {"resourceType": "Patient", "active": True, "gender": "male", "birthDate": "1970"}
    for names in itertools.permutations(right):
        assert not judged(validator, {name: right[name] for name in names})
        assert len(validator._known._types["Patient"].forms) <= 3
