"""Composites with ordered parts: one row for a code, whose names say system and unit."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import Component, SearchParameter
from fhir_server.search.compile import compile_plain, implied
from fhir_server.search.conditions import Plain
from fhir_server.search.index import Indexer
from fhir_server.search.kinds import MatchContext
from fhir_server.search.meets import meets, searchable
from fhir_server.search.registry import Registry

LOADED = definitions.load()
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
STANDARD = "http://hl7.org/fhir/SearchParameter"


def composite(code: str, expression: str, *parts: tuple[str, str]) -> SearchParameter:
    """One of Observation, of parts that are each a standard parameter and its expression."""
    url = f"http://example.org/SearchParameter/{code}"
    components = tuple(Component(f"{STANDARD}/{name}", path) for name, path in parts)
    base = ("Observation",)
    return SearchParameter(code, url, code, "composite", base, expression, components=components)


QUANTITY = ("Observation-component-value-quantity", "value.as(Quantity)")
RANGE = composite("range-of", "Observation.component", QUANTITY, QUANTITY)
PART = composite(
    "part",
    "Observation",
    ("clinical-code", "component.code"),
    ("Observation-value-quantity", "component.value.as(Quantity)"),
)
"""A composite of elements that its parts' own parameters do not know."""
REGISTRY = Registry(LOADED, [RANGE, PART])
CONTEXT = MatchContext("Observation", REGISTRY, "http://server.example/fhir", 0)
INDEX = Indexer(LOADED, REGISTRY, CONTEXT.base_url)

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "a",
    "code": {
        "coding": [
            {"system": LOINC, "code": "1-2"},
            {"system": "urn:other", "code": "1-2"},
            {"code": "x$y"},
        ]
    },
    "valueQuantity": {"value": 5, "unit": "kilo", "system": UCUM, "code": "kg"},
    "component": [
        {
            "code": {"coding": [{"system": LOINC, "code": "c"}]},
            "valueQuantity": {"value": 7, "unit": "$", "code": "USD"},
        }
    ],
}


@pytest.mark.parametrize(
    ("search", "asked"),
    [
        ("part=c$7", []),
        (f"part={LOINC}|$7", []),
        ("code-value-quantity=1-2$5", ["k"]),
        (f"code-value-quantity={LOINC}|$5", ["k", "r"]),
        (f"code-value-quantity={LOINC}|$5,urn:other|$9", ["$or"]),
        (f"code-value-quantity={LOINC}|$5,1-2$9", ["$or"]),
        (f"component-code-value-quantity={LOINC}|$7", ["k", "r"]),
    ],
)
def test_what_meets_a_composite_meets_what_its_parts_ask_for(search: str, asked: list[str]) -> None:
    code, _, value = search.partition("=")
    parameter = REGISTRY.find("Observation", code)
    assert parameter is not None
    plain = Plain(parameter, "", tuple(value.split(",")))
    document = searchable("a", 0, INDEX(OBSERVATION))
    parts = [part.filter for part in (compile_plain(plain, CONTEXT), *implied(plain, CONTEXT))]
    assert all(meets(document, filter_) for filter_ in parts)
    assert [name for filter_ in parts[1:] for name in filter_] == asked


def found(search: str) -> bool:
    code, _, value = search.partition("=")
    parameter = REGISTRY.find("Observation", code)
    assert parameter is not None
    filter_ = parameter.kind.match(parameter, "", [value], CONTEXT)
    return meets(searchable("a", 0, INDEX(OBSERVATION)), filter_)


def test_a_code_has_two_rows() -> None:
    rows = [row for row in INDEX(OBSERVATION).r if row[0].startswith("code-value-quantity=1-2")]
    systems = (f"={LOINC}|1-2", "=urn:other|1-2")
    assert rows == [
        ("code-value-quantity=1-2&", 5.0, 5.0, ("kg", "kilo", *systems)),
        ("code-value-quantity=1-2&|g", 5000.0, 5000.0, systems),
    ]


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        ("code-value-quantity=1-2$5", True),
        (f"code-value-quantity={LOINC}|1-2$5", True),
        ("code-value-quantity=urn:other|1-2$gt4||kilo", True),
        (f"code-value-quantity={LOINC}|1-2$lt6||kg", True),
        (f"code-value-quantity={LOINC}|1-2$5000|{UCUM}|g", True),
        (f"code-value-quantity={LOINC}|$5||kg", True),
        ("code-value-quantity=|x\\$y$5", True),
        ("code-value-quantity=x\\$y$5||kg", True),
        ("code-value-quantity=urn:third|1-2$5", False),
        ("code-value-quantity=|1-2$5", False),
        (f"code-value-quantity={LOINC}|x\\$y$5", False),
        (f"code-value-quantity={LOINC}|1-2$5||g", False),
        (f"code-value-quantity={LOINC}|1-2$6||kg", False),
        ("code-value-quantity=urn:third|$5||kg", False),
        (f"code-value-quantity={LOINC}|$5||g", False),
        (f"code-value-quantity=1-2$5||={LOINC}\\|1-2", False),
        (f"combo-code-value-quantity={LOINC}|c$7||\\$", True),
        (f"combo-code-value-quantity={LOINC}|c$5", False),
        ("range-of=7$7", True),
        ("range-of=7||USD$7||\\$", True),
        ("range-of=7||USD$7", True),
        ("range-of=7$ge7||\\$", True),
        ("range-of=7||EUR$7", False),
        ("range-of=7$7||EUR", False),
        ("range-of=7$8||USD", False),
    ],
)
def test_names_say_which_rows_are_meant(search: str, is_found: bool) -> None:
    assert found(search) == is_found
