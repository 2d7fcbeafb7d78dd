"""Scopes are read to the letter, printed as they were asked, and only ever narrowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.access.grant import Action
from fhir_server.access.scopes import intersect, parse_scope, parse_scopes
from fhir_server.errors import MalformedRequest

V1 = [
    ("patient/Observation.read", "rs"),
    ("user/Observation.write", "cud"),
    ("system/*.*", "cruds"),
    ("patient/*.read", "rs"),
]
V2 = ["c", "r", "u", "d", "s", "rs", "cud", "cruds", "crs", "us", "ds"]
NONE = [
    "",
    "patient/Observation.",
    "patient/Observation.sr",
    "patient/Observation.dus",
    "patient/Observation.rr",
    "patient/Observation.rss",
    "patient/Observation.readwrite",
    "patient/Observation.Read",
    "patient/Observation.RS",
    "patient/Observation",
    "patient/observation.rs",
    "patient/Observations.rs",
    "patient/Obs*.rs",
    "patient/.rs",
    "patients/Observation.rs",
    "Patient/Observation.rs",
    "patient/Observation.rs?",
    "patient/Observation.rs?category",
    "patient/Observation.rs?category=",
    "patient/Observation.rs?category=a&",
    "patient/Observation.rs?=a",
    "patient/Observation.rs?category:not=a",
    "patient/Observation.rs?subject.name=a",
    "patient/Observation.rs?_has:Group:member:_id=a",
    "patient/Observation.rs?category=%FF",
    "patient/Observation.read?category=a",
    "patient/Observation.*?category=a",
    "patient/*.rs?_tag=a",
    "patient/Observation.rs\n",
    "patient/Observation.rs\t",
    'patient/Observation.rs?code="',
    "patient/Resource.rs",
    "patient/DomainResource.rs",
    "patient/Observation.rs?" + "&".join(f"code={n}" for n in range(21)),
]


@pytest.mark.parametrize(("text", "letters"), V1)
def test_the_words_of_v1_are_letters_of_v2_and_are_printed_as_asked(
    text: str, letters: str
) -> None:
    scope = parse_scope(text)
    assert scope is not None
    assert scope.letters == letters
    assert str(scope) == text


@pytest.mark.parametrize("letters", V2)
def test_letters_in_order_are_those_actions(letters: str) -> None:
    scope = parse_scope(f"patient/Observation.{letters}")
    assert scope is not None
    assert scope.actions == {Action(letter) for letter in letters}


@pytest.mark.parametrize("text", NONE)
def test_what_is_almost_a_scope_is_none_s_29(text: str) -> None:
    assert parse_scope(text) is None
    assert parse_scopes(text).resources == ()


def test_a_granular_scope_has_its_decoded_pairs_s_33() -> None:
    scope = parse_scope(
        "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/"
        "observation-category%7Claboratory&status=final"
    )
    assert scope is not None
    assert scope.parameters == (
        ("category", "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"),
        ("status", "final"),
    )


def test_kinds_of_scope_are_told_apart() -> None:
    scopes = parse_scopes("openid  launch/patient patient/*.rs magic patient/*.rs launch/x?role=a")
    assert [str(scope) for scope in scopes.resources] == ["patient/*.rs"]
    assert scopes.named == ("openid", "launch/patient", "launch/x?role=a")
    assert scopes.launch == ("launch/patient", "launch/x?role=a")
    assert scopes.unknown == ("magic",)
    assert "openid" in scopes
    assert scopes.levels() == {"patient"}


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse_scopes("x" * 20_000)
    with pytest.raises(MalformedRequest):
        parse_scopes(" ".join(f"s{number}" for number in range(600)))


MEETS = [
    # asked, allowed, granted
    ("patient/*.rs", "patient/*.cruds", "patient/*.rs"),
    ("patient/*.read", "patient/*.cruds", "patient/*.read"),
    ("patient/*.*", "patient/*.rs", "patient/*.read"),
    ("patient/*.cruds", "patient/*.rs", "patient/*.rs"),
    ("patient/*.rs", "patient/Patient.rs patient/Goal.r", "patient/Patient.rs patient/Goal.r"),
    ("patient/Goal.cruds", "patient/Goal.rs patient/*.c", "patient/Goal.crs"),
    ("patient/Goal.*", "patient/Goal.rs patient/*.c", "patient/Goal.crs"),
    ("patient/Goal.rs", "user/*.cruds system/*.cruds", ""),
    ("patient/Goal.c", "patient/Goal.rs", ""),
    ("patient/Goal.rs", "patient/Patient.rs", ""),
    ("openid launch patient/Goal.rs", "openid patient/*.rs", "openid patient/Goal.rs"),
    (
        "patient/Observation.rs",
        "patient/Observation.rs?category=a|b",
        "patient/Observation.rs?category=a|b",
    ),
    (
        "patient/Observation.rs?status=final",
        "patient/Observation.rs?category=a",
        "patient/Observation.rs?status=final&category=a",
    ),
    (
        "patient/Observation.rs?category=a",
        "patient/Observation.rs",
        "patient/Observation.rs?category=a",
    ),
    ("patient/Goal.rs patient/Goal.r", "patient/*.rs", "patient/Goal.rs"),
    ("patient/Goal.read", "patient/Goal.rs?patient=1", "patient/Goal.rs?patient=1"),
    ("magic", "magic", ""),
]


@pytest.mark.parametrize(("asked", "allowed", "granted"), MEETS)
def test_the_intersection_keeps_what_both_permit(asked: str, allowed: str, granted: str) -> None:
    assert str(intersect(parse_scopes(asked), parse_scopes(allowed))) == granted


_TYPES = st.sampled_from(("*", "Patient", "Observation", "Goal"))
_VERBS = st.sampled_from(("read", "write", "*", *V2))
_QUERIES = st.sampled_from(("", "?status=a", "?code=b", "?status=a&code=b"))


@st.composite
def _texts(draw: st.DrawFn) -> str:
    level = draw(st.sampled_from(("patient", "user", "system")))
    type_, verb, query = draw(_TYPES), draw(_VERBS), draw(_QUERIES)
    if type_ == "*" or verb in ("read", "write", "*"):
        query = ""
    return f"{level}/{type_}.{verb}{query}"


@given(st.lists(_texts(), max_size=5), st.lists(_texts(), max_size=5))
def test_no_intersection_widens_and_its_text_says_what_it_is(a: list[str], b: list[str]) -> None:
    asked, allowed = parse_scopes(" ".join(a)), parse_scopes(" ".join(b))
    granted = intersect(asked, allowed)
    assert parse_scopes(str(granted)) == granted
    for scope in granted.resources:
        for side in (asked, allowed):
            for action in scope.actions:
                assert any(
                    action in other.actions
                    and scope.level == other.level
                    and other.type in ("*", scope.type)
                    and set(other.parameters) <= set(scope.parameters)
                    for other in side.resources
                )
