"""What the index has of the keys, and that a filter read by it finds the same."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.entries import entries
from fhir_server.search.meets import meets
from fhir_server.search.narrowing import is_merged, narrowed
from fhir_server.search.values import begins

LOINC = "http://loinc.org"
KEYS = [
    *(
        "code=8480-6",
        f"code={LOINC}|8480-6",
        f"code={LOINC}|1",
        "code=1",
        "code=|1",
        f"code={LOINC}|",
    ),
    *("code=a\\|b", "code=s|a\\|b", "component-code=1", "code:text=measured", "category=lab"),
    *("status=final", "status=http://s|final", "status=http://t|final", "status=|final", "status="),
    *("identifier=s|1", "identifier=1", "performer=Practitioner/1", "performer=Patient/2"),
    *("encounter=Encounter/1", "subject=Patient/1", "patient=Patient/1", "subject=Group/1"),
    *("subject=Patient/1/_history/2", "patient=Patient/2", "in=Patient/1", "in=Patient/2"),
    *("in=Encounter/1", "in=Practitioner/1", "in=Device/1", "device=Device/1", "~date", "#Patient"),
]
MADE = {  # what a resource with such a compartment has besides
    "in=Encounter/1": ["encounter=Encounter/1"],
    "in=Practitioner/1": ["performer=Practitioner/1"],
    "in=Device/1": ["device=Device/1"],
}
PATIENTS = ["1", "2"]


def document(type_: str, patient: str | None, keys: list[str]) -> dict[str, Any]:
    keys = ["*", *keys, *(more for key in keys for more in MADE.get(key, ()))]
    return {"_id": "x", "p": patient, "k": keys, "b": entries(type_, patient, keys)}


BEGINNINGS = ["code=", f"code={LOINC}|", "status=http", "in=Patient/", "subject="]
PATTERNS = ["^code=.*1", "^status=h.*l", "^in=Pat", "^code:text=.*ed"]
SOME: list[dict[str, Any]] = [
    *({"k": key} for key in ("*", *KEYS)),
    *map(begins, BEGINNINGS),
    *({"k": {"$regex": pattern, "$options": "s"}} for pattern in PATTERNS),
]
keys = st.sampled_from(["*", *KEYS])
plain = st.one_of(
    st.sampled_from(SOME),
    st.lists(keys, max_size=3).map(lambda some: {"k": {"$in": some}}),
    st.lists(keys, max_size=3).map(lambda some: {"k": {"$nin": some}}),
    st.sampled_from(PATIENTS).map(lambda one: {"p": one}),
    st.lists(st.sampled_from(PATIENTS), max_size=2).map(lambda some: {"p": {"$in": some}}),
)
filters = st.recursive(
    plain,
    lambda inner: (
        st.builds(
            lambda name, some: {name: some},
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda one, two: {**one, **two}, inner, inner)
    ),
    max_leaves=6,
)
documents = st.builds(
    document,
    st.just("Observation"),
    st.sampled_from([None, *PATIENTS]),
    st.lists(st.sampled_from(KEYS), max_size=8, unique=True),
)


@pytest.mark.parametrize("within", [{}, {"p": "1"}])
def test_every_key_is_found_by_itself(within: dict[str, Any]) -> None:
    pairs = [*combinations(KEYS, 2), *((key,) for key in KEYS)]
    among = [document("Observation", one, list(pair)) for pair in pairs for one in (None, "1")]
    for condition in SOME:
        filter_ = {**within, **condition}
        by_index = narrowed("Observation", filter_)
        missed = [one["k"] for one in among if meets(one, by_index) != meets(one, filter_)]
        assert not missed, by_index


@given(filters, st.none() | filters, st.lists(documents, min_size=1, max_size=8), st.booleans())
def test_the_same_is_found(
    filter_: dict[str, Any], guard: dict[str, Any] | None, among: list[dict[str, Any]], first: bool
) -> None:
    by_index = narrowed("Observation", filter_, guard, ordered=first)
    for one in among:
        found = meets(one, filter_) and (guard is None or meets(one, guard))
        assert meets(one, by_index) == found, one


@given(filters, filters)
def test_a_guard_is_in_the_filter_as_it_is(filter_: dict[str, Any], guard: dict[str, Any]) -> None:
    by_index = narrowed("Observation", filter_, guard)
    parts = [{name: wanted} for name, wanted in by_index.items() if name != "$and"]
    parts += by_index.get("$and", [])
    assert all({name: wanted} in parts or guard in parts for name, wanted in guard.items()), (
        by_index
    )


def test_a_record_has_its_keys_behind_the_patient() -> None:
    found = entries(
        "Observation",
        "1",
        [
            *("*", "code=a", f"code={LOINC}|a", "status=final", "status=http://s|final"),
            *("subject=Patient/1", "patient=Patient/1", "encounter=Encounter/2"),
            *("in=Patient/1", "in=Patient/9", "in=Encounter/2"),
        ],
    )
    assert sorted(found) == [
        "*",
        "Patient/1 *",
        "Patient/1 code=a",
        "Patient/1 status=final",
        "Patient/9 *",
        "code=a",
        f"code={LOINC}|a",
        "encounter=Encounter/2",
        "status=final",
    ]


def test_owners_have_the_key_of_their_compartment() -> None:
    assert "in=Encounter/1" in entries("Encounter", None, ["*", "in=Encounter/1"])
    assert "Patient/1 *" in entries("Patient", "1", ["*", "in=Patient/1"])
    assert narrowed("Encounter", {"k": "in=Encounter/1"}) == {"b": "in=Encounter/1"}


@pytest.mark.parametrize(
    ("filter_", "bound"),
    [
        ({"k": "*"}, "*"),
        ({"p": "1", "k": "*"}, "Patient/1 *"),
        ({"p": "1", "k": f"code={LOINC}|a"}, "Patient/1 code=a"),
        ({"p": "1", "k": f"code={LOINC}|"}, f"code={LOINC}|"),
        ({"p": {"$in": ["1", "2"]}, "k": "code=a"}, ["Patient/1 code=a", "Patient/2 code=a"]),
        ({"p": {"$in": []}, "k": "code=a"}, []),
        ({"k": "in=Encounter/1"}, "encounter=Encounter/1"),
        ({"k": "in=Device/1"}, ["subject=Device/1", "device=Device/1"]),
        ({"k": "patient=Patient/1"}, "Patient/1 *"),
        ({"k": "subject=Group/1"}, "subject=Group/1"),
        ({"k": "status=final"}, "status=final"),
        ({"k": "status=http://s|final"}, ["status=final", "status=http://s|final"]),
    ],
)
def test_the_bound_of_a_filter(filter_: dict[str, Any], bound: Any) -> None:
    wanted = {"$in": bound} if isinstance(bound, list) else bound
    assert narrowed("Observation", filter_)["b"] == wanted
    assert is_merged("Observation", filter_) >= isinstance(bound, list)


def test_in_order_a_range_of_keys_has_all_resources_beside_it() -> None:
    """MongoDB weighs sorting the one against walking through the other."""
    some = {"$elemMatch": {"$gte": "code=s|", "$lt": "code=s|~"}}
    assert narrowed("Observation", {"k": some}) == {"b": some}
    every = {"b": some, "$and": [{"b": "*"}]}
    assert narrowed("Observation", {"k": some}, ordered=True) == every
    for bound in ({"k": "status=final"}, {"p": "1"}):
        found = narrowed("Observation", {"k": some, "$and": [bound]}, ordered=True)
        assert "'*'" not in str(found)


def test_a_grant_alone_is_a_bound() -> None:
    mine = {"k": {"$in": ["in=Patient/7"]}}
    assert narrowed("Observation", {"k": "*"}, mine) == {"b": "Patient/7 *", **mine}


def test_alternatives_of_a_grant_are_one_bound() -> None:
    lab = {"$and": [{"k": "category=lab"}, {"k": {"$in": ["in=Patient/7"]}}]}
    either = {"$or": [lab, {"k": {"$in": ["in=Patient/7", "in=Patient/8"]}}]}
    found = narrowed("Observation", {"k": "*"}, either)
    assert found == {"b": {"$in": ["Patient/7 *", "Patient/8 *"]}, **either}
    anybody = {"$or": [lab, {"_id": "x"}]}
    assert narrowed("Observation", {"k": "*"}, anybody) == {"b": "*", **anybody}


def test_many_alternatives_leave_the_key_to_mongodb() -> None:
    many = {"$in": [str(number) for number in range(101)]}
    found = narrowed("Observation", {"p": many, "k": "code=a"})
    assert found["b"] == "code=a"
    assert found["$and"] == [{"b": {"$in": [f"Patient/{one} code=a" for one in many["$in"]]}}]
