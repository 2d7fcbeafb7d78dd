"""What is asked at scale, with values drawn anew each time.

Each question asks for as much of a small database as of a large one, where it can: the same share
of the values of a code, a page and a half of people.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.search_data import BORN, CATEGORIES, CODES

ROWS = 20
"""Rows of a page."""

Make = Callable[[random.Random, int], str]
"""The search, for a database of so many people."""


@dataclass(frozen=True)
class Case:
    """A kind of search; `fused` ones may examine 3 keys for each row at most."""

    name: str
    make: Make
    fused: bool = True


def _month(chance: random.Random) -> str:
    return f"{chance.randint(2016, 2025)}-{chance.randint(1, 12):02}"


def _code(chance: random.Random) -> str:
    return f"http://loinc.org|{chance.choice(CODES)}"


def _person(chance: random.Random, people: int) -> str:
    return f"p{chance.randrange(people)}"


def _born(chance: random.Random, people: int) -> str:
    """Birth dates of about one and a half pages of people, however many there are in all."""
    first, last = BORN
    width = (last - first) * 3 * ROWS // (2 * people)
    since = first + chance.random() * (last - first - width)
    return f"birthdate=ge{since}&birthdate=lt{since + width}"


CASES = [
    Case("code+date", lambda c, n: f"Observation?code={_code(c)}&date=ge{_month(c)}"),
    Case(
        "code+value-quantity",
        lambda c, n: (
            f"Observation?code={_code(c)}&value-quantity=gt{c.randint(50, 150)}"
            "|http://unitsofmeasure.org|kg"
        ),
    ),
    Case(
        "category+date",
        lambda c, n: f"Observation?category={c.choice(CATEGORIES)}&date={c.randint(2016, 2025)}",
    ),
    Case("patient+code", lambda c, n: f"Observation?patient={_person(c, n)}&code={_code(c)}"),
    Case(
        "patient+code+date",
        lambda c, n: f"Observation?patient={_person(c, n)}&code={_code(c)}&date=ge{_month(c)}",
    ),
    Case("code+_sort=-date", lambda c, n: f"Observation?code={_code(c)}&_sort=-date"),
    Case(
        "composite",
        lambda c, n: (
            f"Observation?code-value-quantity={_code(c)}$lt{c.randint(70, 170)}"
            "|http://unitsofmeasure.org|kg"
        ),
    ),
    Case(
        "composite, few",
        lambda c, n: (
            f"Observation?code-value-quantity={_code(c)}$lt{c.randint(401, 480) / 10}"
            "|http://unitsofmeasure.org|kg"
        ),
        fused=False,
    ),
    Case(
        "composite of a system",
        lambda c, n: (
            f"Observation?code-value-quantity=http://loinc.org|$lt{c.randint(70, 170)}"
            "|http://unitsofmeasure.org|kg"
        ),
        fused=False,
    ),
    Case(
        "component composite",
        lambda c, n: (
            "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt"
            f"{c.randint(100, 170)}||mm[Hg]"
        ),
    ),
    Case(
        "chain patient.birthdate",
        lambda c, n: (
            f"Observation?code={_code(c)}&patient.birthdate="
            f"{c.randint(1930, 2009)}-{c.randint(1, 12):02}"
        ),
        fused=False,
    ),
    Case("chain alone", lambda c, n: "Observation?patient.birthdate=lt1970", fused=False),
    Case(
        "_has",
        lambda c, n: f"Patient?_has:Observation:patient:code={_code(c)}&{_born(c, n)}",
        fused=False,
    ),
    Case(
        "_has alone",
        lambda c, n: f"Patient?_has:Observation:patient:code={_code(c)}",
        fused=False,
    ),
    Case(
        "_has, rare",
        lambda c, n: (
            "Patient?_has:Observation:patient:component-code-value-quantity="
            "http://loinc.org|8480-6$gt178||mm[Hg]"
        ),
        fused=False,
    ),
]
