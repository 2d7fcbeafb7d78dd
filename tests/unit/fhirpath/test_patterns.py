"""Regular expressions: what profiles use works, and none takes for ever."""

from __future__ import annotations

from contextvars import copy_context
from time import process_time

import pytest

from fhir_server.errors import TooCostly
from fhir_server.fhir.fhirpath import ExecutionFault
from fhir_server.fhir.fhirpath.effort import SECONDS, share_effort
from fhir_server.fhir.fhirpath.patterns import (
    LONGEST,
    full_match,
    search,
    substitute,
)

HOSTILE = (r"(a|aa)+$", r"(a|a)*$")
LONG = "a" * 60 + "!"


@pytest.mark.parametrize("source", HOSTILE)
def test_a_hostile_pattern_ends_in_an_error_soon(source: str) -> None:
    began = process_time()
    with pytest.raises(TooCostly, match="takes too long") as caught:
        full_match(LONG, source)
    assert caught.value.issues[0].code == "too-costly"
    assert process_time() - began < 4 * SECONDS


def test_a_hostile_pattern_replaces_nothing() -> None:
    with pytest.raises(TooCostly):
        substitute(LONG, HOSTILE[0], "b")


def test_the_matches_of_a_request_share_its_time() -> None:
    def several() -> None:
        share_effort()
        with pytest.raises(TooCostly):
            search(LONG, HOSTILE[0])
        began = process_time()
        with pytest.raises(TooCostly):
            search("a", "a")
        assert process_time() - began < SECONDS / 4
        share_effort()
        assert search("a", "a")

    copy_context().run(several)


@pytest.mark.parametrize("source", ["(((a{1000}){1000}){1000}){1000}", "(?:ab{40}c?){500}"])
def test_a_pattern_that_is_enormous_when_written_out_is_refused(source: str) -> None:
    began = process_time()
    with pytest.raises(TooCostly, match="written out"):
        search("a", source)
    assert process_time() - began < SECONDS


def test_a_pattern_has_a_length() -> None:
    assert search("a", "a" * LONGEST) is False
    with pytest.raises(TooCostly, match="characters"):
        search("a", "a" * (LONGEST + 1))


@pytest.mark.parametrize(
    "source", ["(", "a{99999999999}", "(" * 4000, r"\p", "a**", "(?<1>a)", "[z-a]"]
)
def test_what_is_no_pattern_is_told(source: str) -> None:
    with pytest.raises(ExecutionFault, match="no regular expression"):
        search("a", source)


@pytest.mark.parametrize(
    ("source", "value", "found"),
    [
        (r"^(?!(\d)\1{10})\d{11}$", "12345678901", True),  # a Brazilian CPF is not one digit
        (r"^(?!(\d)\1{10})\d{11}$", "11111111111", False),
        (r"^(?!CAP$|TAF$)[A-Z]{3}$", "TAF", False),
        (r"(?<year>\d{4})-(?P<month>\d\d)", "2026-11", True),
        (r"[A-Z]([A-Za-z0-9_]){0,254}", "Name", True),
        (r"[\s\S]{1,1048576}", "text\nand more", True),
        (r"a.b", "a\nb", True),
        (r"[[a]", "[", True),
        ("🔥+", "🔥🔥", True),
    ],
)
def test_what_profiles_use_works(source: str, value: str, found: bool) -> None:
    assert search(value, source) is found


def test_groups_are_put_in() -> None:
    source = r"(?<month>\d\d)/(?<day>\d\d)(x)?"
    assert substitute("11/22", source, "${day}-$1-$3-$$-$9-${no}") == "22-11--$-$9-${no}"
    assert substitute("abc", "", "x") == "abc"
