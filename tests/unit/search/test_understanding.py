"""What is kept of a search is what the text alone says, and no more."""

from __future__ import annotations

import pytest

from fhir_server.errors import UnsupportedParameter
from fhir_server.fhir.definitions import load
from fhir_server.search.compile import compile_plain
from fhir_server.search.conditions import Plain
from fhir_server.search.kinds import MatchContext
from fhir_server.search.reading import parse
from fhir_server.search.registry import Registry
from fhir_server.search.request import Paging
from fhir_server.search.understanding import LONGEST_KEPT, Understood, understand

BASE = "http://x/fhir"


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The parameters of R4."""
    return Registry(load())


def understood(
    registry: Registry, *pairs: tuple[str, str], lenient: bool = False, count: int = 20
) -> Understood:
    paging = Paging(count, 100)
    return understand(("Observation",), pairs, (), registry, BASE, lenient=lenient, paging=paging)


def test_it_is_what_parsing_and_compiling_make_of_it(registry: Registry) -> None:
    pairs = (
        ("patient", "p1"),
        ("code", "http://loinc.org|8480-6,x"),
        ("date", "ge2020"),
        ("value-quantity", "gt5||kg"),
        ("_sort", "-date"),
    )
    found = understood(registry, *pairs)
    assert found.request == parse(("Observation",), pairs, registry, paging=Paging(20, 100))
    assert found.query == found.request.query
    context = MatchContext("Observation", registry, BASE, now=1)
    plain = [one for one in found.request.conditions["Observation"] if isinstance(one, Plain)]
    assert found.parts == {"Observation": tuple(compile_plain(p, context, plain) for p in plain)}


def test_the_same_text_is_worked_out_once(registry: Registry) -> None:
    assert understood(registry, ("code", "a")) is understood(registry, ("code", "a"))
    others = [
        understood(registry, ("code", "b")),
        understood(registry, ("code", "a"), lenient=True),
        understood(registry, ("code", "a"), count=30),
        understood(Registry(load()), ("code", "a")),
    ]
    assert all(other is not understood(registry, ("code", "a")) for other in others)


def test_long_ones_and_later_pages_are_not_kept(registry: Registry) -> None:
    for pairs in ([("code", "a" * LONGEST_KEPT)], [("code", "a"), ("_cursor", "x")]):
        assert understood(registry, *pairs) is not understood(registry, *pairs)


@pytest.mark.parametrize(
    "pair",
    [
        ("code:in", "http://x/ValueSet/1"), ("code:not-in", "http://x/ValueSet/1"),
        ("code:below", "a"), ("code:above", "a"), ("date", "ap2020"), ("date", "ge2020,ap2021"),
        ("_lastUpdated", "ap2020"), ("code-value-date", "a$ap2020"), ("subject.name", "x"),
        ("_has:Provenance:target:agent", "x"), ("_list", "42"), ("_filter", "date ap 2020"),
        ("_contained", "both"),
    ],
)  # fmt: skip
def test_what_depends_on_more_than_the_text_is_compiled_each_time(
    registry: Registry, pair: tuple[str, str]
) -> None:
    assert understood(registry, ("code", "a"), pair).parts is None


def test_a_refusal_is_not_kept(registry: Registry) -> None:
    for _ in range(2):
        with pytest.raises(UnsupportedParameter):
            understood(registry, ("no-such", "1"))
    assert understood(registry, ("no-such", "1"), lenient=True).request.warnings
