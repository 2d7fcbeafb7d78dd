"""Whatever JSON comes in, validation answers with issues and never raises."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

VALIDATOR = Validator(load())
BASE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource": {
                "resourceType": "Observation",
                "id": "a",
                "text": {
                    "status": "generated",
                    "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>',
                },
                "contained": [{"resourceType": "Patient", "id": "p"}],
                "extension": [{"url": "a", "valueString": "b"}],
                "status": "final",
                "_status": {"id": "c"},
                "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
                "subject": {"reference": "#p", "type": "Patient"},
                "valueQuantity": {"value": Decimal("1.50"), "unit": "g"},
            },
        },
        {
            "resource": {
                "resourceType": "Condition",
                "clinicalStatus": {"coding": [{"system": "a", "code": "b"}]},
                "subject": {"reference": "Patient/1"},
                "note": [{"text": "x"}],
            }
        },
        {"resource": {"resourceType": "Parameters", "parameter": [{"name": "a"}]}},
        {
            "resource": {
                "resourceType": "Patient",
                "name": [{"given": ["a", None], "_given": [None, {"id": "a"}]}],
            }
        },
    ],
}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False), st.text(max_size=5)
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [p for key, item in items for p in [(*path, key), *places(item, (*path, key))]]


PLACES = places(BASE)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), ANY, st.sampled_from(PLACES), ANY)
def test_no_value_anywhere_makes_validation_raise(
    first: tuple[Any, ...], one: Any, second: tuple[Any, ...], other: Any
) -> None:
    resource = copy.deepcopy(BASE)
    for path, value in ((first, one), (second, other)):
        node: Any = resource
        try:
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the second one's place away
    for issue in VALIDATOR.structure(resource):
        assert issue.diagnostics
        assert issue.expression
        issue.diagnostics.encode()


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_no_body_makes_validation_raise(body: Any) -> None:
    assert VALIDATOR.structure(body)
