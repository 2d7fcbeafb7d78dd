"""Expressions that would never end, or fill the memory, are refused soon."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from fhir_server.errors import TooCostly
from fhir_server.fhir import fhirpath
from fhir_server.fhir.fhirpath import ExecutionFault, effort
from fhir_server.fhir.fhirpath.effort import share_effort

PATIENT = {"resourceType": "Patient", "name": [{"given": ["a"] * 40}] * 40}
LOOPS = "(1|2|3|4|5|6|7|8|9)"
LONG = "'a'" + ".replace('a', 'aaaaaaaaaa')" * 4
NESTED = LOOPS + "".join(f".select({LOOPS}" for _ in range(11)) + ")" * 11


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps than there are, to be quick."""
    monkeypatch.setattr(effort, "STEPS", 20_000)


@pytest.mark.parametrize(
    "expression",
    [
        NESTED,
        f"{LOOPS}.all({NESTED}.exists())",
        "1.repeat($this + 1)",
        "1.repeatAll($this + 1)",
        "Patient.name.given.aggregate($total.combine($total), 1)",
        "Patient.name.where(%context.name.where(%context.name.given.exists($this = 'b')))",
    ],
)
def test_loops_in_loops_are_too_costly(expression: str) -> None:
    with pytest.raises(TooCostly, match="steps") as caught:
        fhirpath.compile(expression).evaluate(PATIENT)
    assert caught.value.issues[0].code == "too-costly"


@pytest.mark.parametrize(
    "expression",
    [
        "'a'" + ".replace('a', 'aaaaaaaaaa')" * 12,
        f"{LONG}.replaceMatches('a', {LONG})",
        "'a'" + ".replace('', 'aaaaaaaaaa')" * 12,
        "('a'" + ".replace('a', 'aaaaaaaaaa')" * 6 + ").toChars().join('" + "b" * 100 + "')",
    ],
)
def test_a_text_does_not_grow_without_end(expression: str) -> None:
    with pytest.raises(ExecutionFault, match="a text of more than"):
        fhirpath.evaluate(expression, PATIENT)


def test_the_expressions_of_a_request_share_what_there_is() -> None:
    loop = fhirpath.compile("Patient.name.given.where($this = 'a').count()")

    def several() -> None:
        share_effort()
        for _ in range(5):
            loop.evaluate(PATIENT)
        with pytest.raises(TooCostly):
            all(loop.evaluate(PATIENT) for _ in range(100))
        share_effort()
        assert loop.evaluate(PATIENT) == [1600]

    copy_context().run(several)


def test_what_rules_of_resources_need_is_free() -> None:
    rule = fhirpath.compile("name.given.where($this = 'a').count()")

    def several() -> None:
        share_effort()
        for _ in range(1_000):
            assert rule.evaluate({"resourceType": "Patient", "name": [{"given": ["a"] * 100}]})

    copy_context().run(several)
