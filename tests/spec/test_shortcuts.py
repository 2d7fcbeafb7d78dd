"""Shortcuts and the FHIRPath engine are of one opinion, whatever is left out of a resource."""

from __future__ import annotations

import itertools
import json
import random
import tarfile
from typing import Any

import pytest

from fhir_server.fhir import definitions, fhirpath
from fhir_server.fhir.fhirpath.shapes import Node, shape
from fhir_server.validation.shortcuts import in_order, shortcut
from tests.oracles import shared

DEFINITIONS = definitions.load()


def rules_of(name: str) -> list[tuple[str, str]]:
    """Key and expression of what a type or backbone must meet."""
    found = []
    while name:
        definition = DEFINITIONS.types[name]
        found += [(rule.key, rule.expression) for rule in definition.invariants]
        name = definition.base
    return found


def thinned(value: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """The object without some of its properties, none of them empty."""
    kept = {name: item for name, item in value.items() if random_.random() < 0.7}
    return kept or value


def check(name: str, value: dict[str, Any], counted: dict[str, int]) -> None:
    node = Node(shape(name), value, None, value)
    for key, expression in rules_of(name):
        compiled = fhirpath.compile(expression)
        certainly = shortcut(compiled.tree, node.shape)
        if certainly is None:
            continue
        counted[key] = counted.get(key, 0) + 1
        if certainly(value):
            assert compiled.check(node, value), (name, key, value)


def objects(value: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
    """All objects below a resource with their types."""
    if isinstance(value, list):
        return [found for item in value for found in objects(item, name)]
    if not isinstance(value, dict):
        return []
    name = value.get("resourceType", name) if name in ("Resource", "") else name
    found = [(name, value)]
    table = DEFINITIONS.types[name].json if name in DEFINITIONS.types else {}
    for property_, item in value.items():
        if property_ in table:
            element, code = table[property_]
            found += objects(item, element.content or code)
    return found


@pytest.mark.oracles
def test_they_agree_on_the_official_examples_thinned_out() -> None:
    random_ = random.Random(4)
    counted: dict[str, int] = {}
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or not member.name.endswith(".json"):
                continue
            for name, value in objects(json.load(file), ""):
                check(name, value, counted)
                check(name, thinned(value, random_), counted)
    assert {"obs-6", "obs-3", "qty-3", "per-1", "att-1"} <= counted.keys()


@pytest.mark.parametrize(
    ("type_", "expression", "value", "certain"),
    [
        ("Observation", "dataAbsentReason.empty() or value.empty()", {}, True),
        (
            "Observation",
            "dataAbsentReason.empty() or value.empty()",
            {"dataAbsentReason": {"text": "x"}, "valueBoolean": True},
            False,
        ),
        ("Observation", "dataAbsentReason.empty() or value.empty()", {"_valueString": {}}, True),
        ("Quantity", "code.empty() or system.exists()", {"code": "kg"}, False),
        ("Quantity", "code.empty() or system.exists()", {"code": "kg", "system": "x"}, True),
        ("Period", "start.hasValue().not() or end.hasValue().not()", {}, False),
        ("Period", "start <= end", {"start": "2020"}, True),
        ("Period", "start <= end", {"start": "2020", "end": "2021"}, False),
        ("Patient", "name.where(use = 'x').exists() implies gender.exists()", {}, True),
        ("Patient", "(name.exists() and gender.exists()).not()", {"gender": "x"}, True),
        ("Patient", "name.all(family.exists())", {}, True),
        ("Patient", "name.all(family.exists())", {"name": [{}]}, False),
        ("Patient", "Patient.name.exists()", {}, False),
    ],
)
def test_what_is_certain(type_: str, expression: str, value: dict[str, Any], certain: bool) -> None:
    found = shortcut(fhirpath.compile(expression).tree, shape(type_))
    assert (found is not None and found(value)) == certain


MOMENTS = (
    "2016",
    "2016-12",
    "2016-12-31",
    "2017-01-01",
    "2016-12-31T23:59:60Z",
    "2016-12-31T23:59:60.5Z",
    "2017-01-01T00:00:00Z",
    "2017-01-01T00:00:00.0Z",
    "2017-01-01T00:00:00.5Z",
    "2017-01-01T00:00:00+01:00",
    "2016-12-31T23:30:00-01:00",
    None,
)


def test_the_order_of_two_dates_is_that_of_the_engine() -> None:
    expression = "start.hasValue().not() or end.hasValue().not() or (start <= end)"
    compiled = fhirpath.compile(expression)
    certainly = in_order(compiled.tree, shape("Period"))
    assert certainly is not None
    seen = set()
    for start, end in itertools.product(MOMENTS, repeat=2):
        value = {"start": start, "end": end}
        if certainly(value):
            assert compiled.check(Node(shape("Period"), value, None, value), value), value
            seen.add((start, end))
    assert ("2016-12-31", "2017-01-01") in seen
    assert ("2017-01-01T00:00:00Z", "2017-01-01T00:00:00Z") in seen
    assert ("2016", "2016-12") not in seen


@pytest.mark.parametrize(
    ("type_", "expression"),
    [
        ("Period", "start < end"),
        ("Period", "start >= end"),
        ("Period", "start <= end and start.exists()"),
        ("Period", "start <= today()"),
        ("Range", "low <= high"),
        ("Observation", "effective <= issued"),
    ],
)
def test_nothing_else_is_compared_by_its_text(type_: str, expression: str) -> None:
    assert in_order(fhirpath.compile(expression).tree, shape(type_)) is None
