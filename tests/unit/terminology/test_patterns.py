"""Regular expressions of filters: what Python's own would say, in time that is bounded."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.errors import Unprocessable
from fhir_server.terminology.patterns import Pattern

PIECES = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "(a|b)", "(?:ab)?", "a*", "b+", "a{1,2}", "(a|)*"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join), st.text("ab1 ", max_size=8))
def test_it_says_what_re_says(pattern, text):
    assert Pattern(pattern).matches(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)*(.*)*(.*)*b", "(a*)*$b"])
def test_no_pattern_takes_for_ever(pattern):
    start = time.perf_counter()
    assert not Pattern(pattern).matches("a" * 2_000)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "pattern", ["(", "(?=a)", r"(a)\1", "((a{100}){100}){100}", "x" * 1_001, "(?i)(?P<n>a)\\b"]
)
def test_what_cannot_be_bounded_is_refused(pattern):
    with pytest.raises(Unprocessable):
        Pattern(pattern)
