"""A search request is understood whole or refused: Q-01 to Q-09, Q-13, Q-14, Q-43 to Q-55."""

from __future__ import annotations

import pytest

from fhir_server.errors import FhirError, MalformedRequest, UnsupportedParameter
from fhir_server.fhir.definitions import load
from fhir_server.search.conditions import Chain, Has, Plain
from fhir_server.search.criteria import split_values
from fhir_server.search.reading import parse
from fhir_server.search.registry import Registry
from fhir_server.search.request import Paging, SearchRequest, encode


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The parameters of R4."""
    return Registry(load())


def asked(
    registry: Registry, *pairs: tuple[str, str], type_: str = "Observation", lenient: bool = False
) -> SearchRequest:
    return parse((type_,), pairs, registry, lenient=lenient, paging=Paging(20, 100))


def test_repeated_means_and_commas_mean_or(registry: Registry) -> None:
    found = asked(registry, ("code", "a,b"), ("code", "c")).conditions["Observation"]
    assert [part.values for part in found if isinstance(part, Plain)] == [("a", "b"), ("c",)]


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("a", ("a",)),
        (r"a\,b,c", (r"a\,b", "c")),
        (r"a\\,b", (r"a\\", "b")),
        (r"a\|b,\$", (r"a\|b", r"\$")),
        (",a,,b,", ("a", "b")),
        (",", ()),
        ("", ()),
        ("a\\", ("a\\",)),
    ],
)
def test_values_are_cut_at_bare_commas_and_keep_their_escapes(
    raw: str, values: tuple[str, ...]
) -> None:
    assert split_values(raw) == values


@pytest.mark.parametrize("value", ["", ",", ",,"])
def test_an_empty_value_is_ignored_and_not_applied(registry: Registry, value: str) -> None:
    found = asked(registry, ("code", value), ("status", "final"))
    assert found.applied == (("status", "final"), ("_count", "20"))


def test_an_unknown_parameter_is_refused_with_the_nearest_spelling(registry: Registry) -> None:
    with pytest.raises(UnsupportedParameter, match=r"'statsu'.*did you mean status") as caught:
        asked(registry, ("statsu", "final"))
    assert caught.value.issues[0].expression == ("http.statsu",)


def test_a_misspelled_result_parameter_is_refused_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(UnsupportedParameter, match="did you mean _count"):
        asked(registry, ("_cuont", "5"))


def test_lenient_handling_ignores_the_unknown_visibly(registry: Registry) -> None:
    found = asked(registry, ("statsu", "final"), ("code", "x"), lenient=True)
    assert found.applied == (("code", "x"), ("_count", "20"))
    assert len(found.warnings) == 1
    assert "statsu" in found.warnings[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject.nme", "x"),
        ("subject:Patient.nme", "x"),
        ("subject:Medication.code", "x"),
        ("code.text", "x"),
        ("subject:Patient.name.given", "x"),
        ("_has:Observation:patient:cod", "x"),
        ("_has:Observation:code:code", "x"),
        ("_has:Observatio:patient:code", "x"),
        ("_has:Observation", "x"),
        ("_include:recurse", "Observation:subject"),
        ("_include", "Observation:subject:Medication"),
        ("_include", "Observation"),
        ("_count:exact", "5"),
        ("_sort:desc", "date"),
        ("_revinclude", "*"),
        ("_sort", "code-value-quantity"),
        ("code:", "x"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_chains_and_modifiers_not_understood_are_never_ignored(
    registry: Registry, name: str, value: str, lenient: bool
) -> None:
    with pytest.raises(UnsupportedParameter):
        asked(registry, (name, value), lenient=lenient)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_query", "everything"),
        ("_include", "Observation:subjekt"),
        ("_include", "Observatoin:subject"),
        ("_sort", "dat"),
    ],
)
def test_what_is_not_supported_is_refused_or_ignored_visibly(
    registry: Registry, name: str, value: str
) -> None:
    with pytest.raises(UnsupportedParameter):
        asked(registry, (name, value))
    found = asked(registry, (name, value), lenient=True)
    assert found.warnings
    assert found.applied == (("_count", "20"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_count", "-1"),
        ("_count", "ten"),
        ("_count", "1.5"),
        ("_count", "٣"),
        ("_total", "maybe"),
        ("_summary", "all"),
        ("_sort", "date,,code"),
        ("_sort", "-"),
    ],
)
def test_a_result_parameter_with_a_value_that_is_none_is_refused(
    registry: Registry, name: str, value: str
) -> None:
    with pytest.raises(MalformedRequest):
        asked(registry, (name, value), lenient=True)


@pytest.mark.parametrize(
    "pairs",
    [
        [("_count", "5"), ("_count", "6")],
        [("_summary", "true"), ("_elements", "code")],
        [("_summary", "text"), ("_include", "Observation:subject")],
    ],
)
def test_result_parameters_that_contradict_each_other_are_refused(
    registry: Registry, pairs: list[tuple[str, str]]
) -> None:
    with pytest.raises(MalformedRequest):
        asked(registry, *pairs)


@pytest.mark.parametrize(
    ("value", "count"), [("7", 7), ("0", 0), ("100", 100), ("101", 100), ("9" * 5000, 100)]
)
def test_count_is_capped_and_the_self_link_shows_it(
    registry: Registry, value: str, count: int
) -> None:
    found = asked(registry, ("_count", value))
    assert found.count == count
    assert found.applied == (("_count", str(count)),)


def test_what_a_form_repeats_of_the_url_is_no_contradiction(registry: Registry) -> None:
    assert asked(registry, ("_count", "5"), ("_count", "5")).count == 5


def test_a_chain_goes_to_every_target_that_knows_the_rest(registry: Registry) -> None:
    (found,) = asked(registry, ("subject.name", "x")).conditions["Observation"]
    assert isinstance(found, Chain)
    targets = {type_ for type_, _ in found.targets}
    assert "Patient" in targets
    assert "Group" not in targets  # a Group has no parameter `name` in R4
    (narrowed,) = asked(registry, ("subject:Patient.name", "x")).conditions["Observation"]
    assert isinstance(narrowed, Chain)
    assert [type_ for type_, _ in narrowed.targets] == ["Patient"]


def test_chains_and_reverse_chains_nest_with_modifiers_at_the_end(registry: Registry) -> None:
    (found,) = asked(
        registry, ("subject:Patient.organization._has:Group:managing-entity:_id", "7")
    ).conditions["Observation"]
    assert isinstance(found, Chain)
    ((_, inner),) = found.targets
    assert isinstance(inner, Chain)
    ((type_, last),) = inner.targets
    assert type_ == "Organization"
    assert isinstance(last, Has)
    assert last.type == "Group"
    (exact,) = asked(registry, ("subject:Patient.family:exact", "X")).conditions["Observation"]
    assert isinstance(exact, Chain)
    ((_, end),) = exact.targets
    assert isinstance(end, Plain)
    assert (end.parameter.code, end.modifier) == ("family", "exact")


def test_a_chain_without_end_is_refused(registry: Registry) -> None:
    name = ".".join(["partof"] * 60) + ".name"
    with pytest.raises(UnsupportedParameter, match="more than 16"):
        asked(registry, (name, "x"), type_="Location")


def test_a_chain_that_branches_without_end_is_refused(registry: Registry) -> None:
    with pytest.raises(UnsupportedParameter, match="too many ways"):
        asked(registry, (".".join(["target"] * 10) + "._id", "x"), type_="Provenance")


def test_sort_keys_keep_their_order_and_direction(registry: Registry) -> None:
    found = asked(registry, ("_sort", "-date,code,-date,_id"))
    assert [key.text for key in found.sort] == ["-date", "code", "_id"]
    assert found.applied[0] == ("_sort", "-date,code,_id")


def test_lenient_sort_leaves_out_only_the_unknown_key(registry: Registry) -> None:
    found = asked(registry, ("_sort", "dte,-date"), lenient=True)
    assert found.applied[0] == ("_sort", "-date")


def test_includes_are_read_and_repeated_ones_dropped(registry: Registry) -> None:
    found = asked(
        registry,
        ("_include", "Observation:subject:Patient"),
        ("_include", "Observation:subject:Patient"),
        ("_include:iterate", "Patient:organization"),
        ("_revinclude", "Provenance:target"),
        ("_include", "*"),
    )
    first, second, third, fourth = found.includes
    assert (first.source, first.codes, first.target) == ("Observation", ("subject",), "Patient")
    assert second.iterate
    assert third.reverse
    assert "subject" in fourth.followed("Observation", registry)
    assert len(found.applied) == 5


def test_a_search_across_types_takes_only_what_all_of_them_have(registry: Registry) -> None:
    pairs = [("_lastUpdated", "gt2020")]
    assert len(parse(("Patient", "Observation"), pairs, registry).conditions) == 2
    with pytest.raises(UnsupportedParameter, match="every type"):
        parse(("Patient", "Observation"), [("birthdate", "2000")], registry)


def test_the_query_decodes_to_what_was_applied() -> None:
    pairs = [("name:exact", "a b+c&d=e%f"), ("code", "http://x.org|é,1"), ("v", r"\,\|\$")]
    from urllib.parse import parse_qsl

    assert parse_qsl(encode(pairs)) == pairs


@pytest.mark.parametrize(
    "name",
    ["$where", "a" * 100_000, "\0", "é", "_has:" * 2000, "subject." * 2000, "a.b:c.d:e", ":", "."],
)
def test_strange_names_are_refused_in_bounded_time(registry: Registry, name: str) -> None:
    with pytest.raises(FhirError) as caught:
        asked(registry, (name, "x"))
    assert caught.value.status == 400
    assert len(str(caught.value)) < 2000
