"""Whatever the expression and the resource, the answer is a list or a FhirPathError."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir import fhirpath
from fhir_server.fhir.fhirpath.functions import FUNCTIONS
from fhir_server.fhir.fhirpath.lambdas import LAMBDAS

RESOURCES: list[Any] = [
    {
        "resourceType": "Observation",
        "valueQuantity": {
            "value": Decimal("1.5"),
            "code": "mg",
            "system": "http://unitsofmeasure.org",
        },
        "code": {"coding": [{"code": "x", "system": "y"}], "text": "t"},
        "effectiveDateTime": "2012-01-31T10:00:00+02:00",
    },
    {"resourceType": "Patient", "name": "bad", "birthDate": 5, "_birthDate": [1], "contact": [[1]]},
    {"a": [{"b": [1, 2.5, None]}], "valueString": "y"},
    None,
    [1, 2],
]


def lines(text: str) -> list[str]:
    """The parts of a table that two blanks or a line's end divide."""
    return [part for line in text.splitlines() for part in line.strip().split("  ") if part]


NAMES = lines("name  value  code  coding  birthDate  effective  a  b  contact  Patient")
LITERALS = lines("""
    0  -1  2.50  'a'  '2012-01'  '1'  true  {}  (1|2|3)  2147483647  '('
    99999999999999999999999999999.9  $this  $index  $total  %context
    @2012  @2012-01-31  @2012-02-29T10:00:00.5+02:00  @T23:59:59.999
    1 'mg'  3 days  1 year  37 'Cel'  4 'foo'
""")
OPERATORS = lines("""
    =  !=  ~  !~  <  <=  >  >=  |  +  -  *  /  div  mod  &  and  or  xor  implies  in  contains
""")
FUNCTION_NAMES = sorted({*FUNCTIONS, *LAMBDAS} - {"repeatAll"})


def expression(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(8) if depth > 0 else chance.randrange(2)
    if kind == 0:
        return chance.choice(LITERALS)
    if kind == 1:
        return chance.choice(NAMES)
    inner = expression(chance, depth - 1)
    if kind in (2, 3):
        return f"({inner}) {chance.choice(OPERATORS)} ({expression(chance, depth - 1)})"
    if kind == 4:
        return f"({inner}).{chance.choice(NAMES)}"
    if kind == 5:
        return f"({inner})[{expression(chance, depth - 2)}] is Quantity"
    name = chance.choice(FUNCTION_NAMES)
    low, high = (
        (FUNCTIONS[name].low, FUNCTIONS[name].high) if name in FUNCTIONS else LAMBDAS[name][:2]
    )
    count = chance.randint(low, min(high, 3))
    arguments = ", ".join(expression(chance, depth - 2) for _ in range(count))
    return f"({inner}).{name}({arguments})"


@pytest.mark.parametrize("seed", range(8))
def test_no_other_error(seed: int) -> None:
    chance = random.Random(seed)
    answers, told = 0, []
    for _ in range(1000):
        text, resource = expression(chance, 4), chance.choice(RESOURCES)
        for strict in (True, False):
            try:
                fhirpath.compile(text, strict=strict).evaluate(resource)
                answers += 1
            except fhirpath.FhirPathError as error:
                told.append(error.issues[0].diagnostics)
    assert answers > 300
    assert all(told)
