"""A grant narrows: what no rule permits is not there."""

from __future__ import annotations

from fhir_server.access.grant import NOTHING, Action, Grant, Rule

ALICE = frozenset({"in=Patient/alice"})
LABORATORY = frozenset({"category=laboratory"})
NARROW = Grant(
    "scopes",
    "a scope",
    (
        Rule(
            frozenset({Action.READ, Action.SEARCH}), frozenset({"Observation"}), (ALICE, LABORATORY)
        ),
        Rule(frozenset({Action.READ}), frozenset({"Condition"}), (ALICE,)),
        Rule(frozenset({Action.READ}), frozenset({"Condition"}), (frozenset({"in=Patient/bob"}),)),
    ),
)


def test_no_rule_permits_nothing() -> None:
    closed = Grant.closed()
    assert closed.filter("Patient", Action.READ) == NOTHING
    assert not closed.allows("Patient", Action.READ)
    assert not closed.decide("Patient", Action.READ, ["*"]).permitted


def test_open_and_system_grants_add_no_filter() -> None:
    for grant in (Grant.open(), Grant.system("reindex")):
        assert grant.filter("Patient", Action.DELETE) == {}
        assert grant.decide("Patient", Action.DELETE, []).permitted


def test_every_group_of_a_rule_must_be_met() -> None:
    assert NARROW.filter("Observation", Action.SEARCH) == {
        "$and": [
            {"k": {"$in": ["in=Patient/alice"]}},
            {"k": {"$in": ["category=laboratory"]}},
        ]
    }
    decide = NARROW.decide
    both = ["in=Patient/alice", "category=laboratory"]
    assert decide("Observation", Action.READ, both).permitted
    assert not decide("Observation", Action.READ, both[:1]).permitted
    assert not decide("Observation", Action.UPDATE, both).permitted


def test_several_rules_for_one_type_are_alternatives() -> None:
    assert NARROW.filter("Condition", Action.READ, field="g") == {
        "$or": [{"g": {"$in": ["in=Patient/alice"]}}, {"g": {"$in": ["in=Patient/bob"]}}]
    }


def test_a_rule_with_an_empty_group_is_met_by_nothing() -> None:
    empty = Grant("scopes", "", (Rule(frozenset(Action), None, (frozenset(),)),))
    assert empty.filter("Patient", Action.READ) == {"k": {"$in": []}}
    assert not empty.decide("Patient", Action.READ, ["*"]).permitted


def test_a_denial_says_why_for_the_journal() -> None:
    assert "UPDATE" in NARROW.decide("Observation", Action.UPDATE, []).reason
