"""A grant narrows: what no rule permits is not there."""

from __future__ import annotations

from fhir_server.access.grant import NOTHING, Action, Condition, Grant, Part, Rule

ALICE = frozenset({"in=Patient/alice"})
PSY = frozenset({"R"})
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
    assert not closed.decide("Patient", Action.READ, {"k": ["*"]}).permitted


def test_open_and_system_grants_add_no_filter() -> None:
    for grant in (Grant.open(), Grant.system("reindex")):
        assert grant.filter("Patient", Action.DELETE) == {}
        assert grant.decide("Patient", Action.DELETE, {"k": []}).permitted


def test_every_group_of_a_rule_must_be_met() -> None:
    assert NARROW.filter("Observation", Action.SEARCH) == {
        "$and": [
            {"k": {"$in": ["in=Patient/alice"]}},
            {"k": {"$in": ["category=laboratory"]}},
        ]
    }
    decide = NARROW.decide
    both = ["in=Patient/alice", "category=laboratory"]
    assert decide("Observation", Action.READ, {"k": both}).permitted
    assert not decide("Observation", Action.READ, {"k": both[:1]}).permitted
    assert not decide("Observation", Action.UPDATE, {"k": both}).permitted


def test_several_rules_for_one_type_are_alternatives() -> None:
    assert NARROW.filter("Condition", Action.READ) == {
        "$or": [{"k": {"$in": ["in=Patient/alice"]}}, {"k": {"$in": ["in=Patient/bob"]}}]
    }


def test_a_rule_with_an_empty_group_is_met_by_nothing() -> None:
    empty = Grant("scopes", "", (Rule(frozenset(Action), None, (frozenset(),)),))
    assert empty.filter("Patient", Action.READ) == {"k": {"$in": []}}
    assert not empty.decide("Patient", Action.READ, {"k": ["*"]}).permitted


def test_a_denial_says_why_for_the_journal() -> None:
    assert "UPDATE" in NARROW.decide("Observation", Action.UPDATE, {"k": []}).reason


FINAL = Condition({"k": "status=final"})
SECRET = Part("consents", (Rule(frozenset(Action)),), (Rule(frozenset(Action), None, (PSY,)),))


def test_conditions_are_values() -> None:
    again = Condition({"k": "status=final"})
    assert again == FINAL
    assert hash(again) == hash(FINAL)
    assert Condition({"k": "status=draft"}) != FINAL


def test_the_conditions_of_a_rule_narrow_filter_and_decision_alike() -> None:
    grant = Grant("scopes", "", (Rule(frozenset({Action.READ}), None, (ALICE,), (FINAL,)),))
    assert grant.filter("Goal", Action.READ) == {
        "$and": [{"k": {"$in": ["in=Patient/alice"]}}, {"k": "status=final"}]
    }
    alice = ["in=Patient/alice"]
    assert not grant.decide("Goal", Action.READ, {"k": alice}).permitted
    assert grant.decide("Goal", Action.READ, {"k": [*alice, "status=final"]}).permitted


def test_a_further_part_only_narrows() -> None:
    grant = NARROW.narrowed(SECRET)
    assert grant.judges
    assert grant.filter("Condition", Action.SEARCH) is NOTHING
    assert grant.filter("Observation", Action.READ) == {
        "$and": [NARROW.filter("Observation", Action.READ), {"$nor": [{"k": {"$in": ["R"]}}]}]
    }
    seen = ["in=Patient/alice", "category=laboratory"]
    assert grant.decide("Observation", Action.READ, {"k": seen}).permitted
    assert not grant.decide("Observation", Action.READ, {"k": [*seen, "R"]}).permitted
    assert Grant.open().narrowed(Part("none")).filter("Patient", Action.READ) is NOTHING


def test_a_part_that_denies_everything_leaves_nothing() -> None:
    everything = (Rule(frozenset(Action)),)
    grant = Grant.open().narrowed(Part("consents", everything, everything))
    assert grant.filter("Patient", Action.READ) is NOTHING
    assert not grant.decide("Patient", Action.READ, {"k": ["*"]}).permitted


def test_what_a_grant_permits_is_the_same_text_whatever_the_order_of_its_sets() -> None:
    assert NARROW.canonical() != NARROW.narrowed(SECRET).canonical()
    assert NARROW.canonical() == Grant("scopes", "other words", NARROW.rules).canonical()
