"""docs/search.md has the table of what every type of parameter takes, made by trying it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from fhir_server.errors import FhirError, UnsupportedParameter
from fhir_server.fhir import definitions as r4
from fhir_server.search.criteria import parse_condition
from fhir_server.search.filter_operators import OPERATORS_OF
from fhir_server.search.hierarchy import is_hierarchical
from fhir_server.search.kinds import MatchContext
from fhir_server.search.reading import RESULT_PARAMETERS, UNSUPPORTED, parse
from fhir_server.search.registry import Registry

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
REGISTRY = Registry(r4.load())

SAMPLES = {
    "string": ("Patient", "name", "a"),
    "token": ("Observation", "code", "http://loinc.org|a"),
    "reference": ("Encounter", "location", "Location/1"),
    "date": ("Observation", "date", "2020"),
    "number": ("RiskAssessment", "probability", "0.5"),
    "quantity": ("Observation", "value-quantity", "5"),
    "uri": ("ValueSet", "url", "http://a/b"),
    "composite": ("Observation", "code-value-quantity", "a$5"),
    "special": ("Location", "near", "1|2"),
}
"""One parameter of each type, and a value for it."""

MODIFIERS = (
    *("exact", "contains", "text", "not", "above", "below", "in", "not-in", "of-type"),
    *("identifier", "[type]", "missing"),
)
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


class Anything:
    """A terminology that knows everything."""

    async def prepare(self, code: str, modifier: str, values: Sequence[str]) -> None:
        return None

    def below(self, system: str | None, code: str) -> Sequence[tuple[str, str]]:
        return [("urn:x", code)]

    above = below

    def expand(self, value_set: str) -> Sequence[tuple[str, str]]:
        return [("urn:x", "a")]


def takes(type_: str, name: str, value: str) -> bool:
    condition = parse_condition(type_, name, value, REGISTRY)
    if is_hierarchical(condition):
        return True
    context = MatchContext(type_, REGISTRY, "http://x/fhir", 0, Anything())
    try:
        condition.parameter.kind.match(
            condition.parameter, condition.modifier, condition.values, context
        )
    except UnsupportedParameter:
        return False
    except FhirError as error:
        return error.issues[0].code == "invalid" and ":" in name
    return True


def features() -> str:
    counts = Counter(definition.type for definition in REGISTRY.definitions.search_parameters)
    rows = [
        "| Type | In R4 | Modifiers | Prefixes | Operators of `_filter` |",
        "|---|---|---|---|---|",
    ]
    for kind, (type_, code, value) in SAMPLES.items():
        modifiers = [
            f"`:{one}`"
            for one in MODIFIERS
            if takes(
                type_,
                f"{code}:{one.replace('[type]', 'Location')}",
                "true" if one == "missing" else value,
            )
        ]
        prefixes = [
            f"`{one}`" for one in PREFIXES
            if kind in ("date", "number", "quantity") and takes(type_, code, one + value)
        ]  # fmt: skip
        operators = [f"`{one}`" for one in (*OPERATORS_OF[kind], "pr")]
        rows.append(
            f"| {kind} | {counts[kind]} | {' '.join(modifiers)} | {' '.join(prefixes) or '-'} "
            f"| {' '.join(operators)} |"
        )
    return "\n".join(rows)


def test_the_table_of_types_is_what_the_kinds_do():
    assert features() in PAGE.read_text(), f"put this into docs/search.md:\n{features()}"


def test_every_result_parameter_is_on_the_page():
    text = PAGE.read_text()
    for name in sorted(RESULT_PARAMETERS):
        assert f"`{name}" in text, name


@pytest.mark.parametrize("name", [name for name in UNSUPPORTED if name != "_type"])
def test_what_is_not_supported_is_written_down_and_refused(name):
    refused = PAGE.read_text().partition("## Not supported")[2]
    assert f"`{name}`" in refused
    with pytest.raises(UnsupportedParameter):
        parse(("Patient",), [(name, "x")], REGISTRY)


WHOLE = ("_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_text", "_content")


@pytest.mark.parametrize("code", WHOLE)
def test_what_every_resource_has_is_on_the_page(code):
    for type_ in REGISTRY.definitions.resource_types:
        plain = code == "_text" and not REGISTRY.definitions.is_a(type_, "DomainResource")
        assert plain or REGISTRY.find(type_, code) is not None, (type_, code)
    assert f"`{code}`" in PAGE.read_text()
