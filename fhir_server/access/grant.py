"""The value that one must hold to read or write a resource.

A grant is compiled once per caller. It becomes part of the MongoDB filter, so that totals, pages,
chains, includes and history cannot show what the caller may not see, and it decides once more, per
resource, on everything that is written and before anything is answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import msgspec

from fhir_server.search.meets import meets

Filter = dict[str, Any]

NOTHING: Filter = {"_id": {"$in": []}}
"""A filter that no document meets."""


class Action(Enum):
    """What a caller wants to do, in the letters of SMART scopes."""

    CREATE = "c"
    READ = "r"
    UPDATE = "u"
    DELETE = "d"
    SEARCH = "s"

    # Enum's own is a function of Python, and every look at a grant's filters would call it.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, with the reason for the journal; the caller is never shown it."""

    permitted: bool
    reason: str


class Condition:
    """A filter over the keys of a resource, as a value: equal to another of the same filter.

    It may ask for `_id`, `u`, `p`, `d`, `e`, `k`, `r` and `s`, in the words that the kinds of
    search parameter use (`search.meets` knows them).
    """

    def __init__(self, filter_: Filter) -> None:
        self.filter = filter_

    @cached_property
    def text(self) -> str:
        """The filter as canonical JSON."""
        return msgspec.json.encode(self.filter, order="sorted").decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Condition({self.text})"


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission: these actions on these types (None: every type), where the keys agree.

    `all_of` is a conjunction of groups; a resource meets a group when it has any key of it. All
    `conditions` must hold too.
    """

    actions: frozenset[Action]
    types: frozenset[str] | None = None
    all_of: tuple[frozenset[str], ...] = ()
    conditions: tuple[Condition, ...] = ()

    def covers(self, type_: str, action: Action) -> bool:
        """Whether this rule says anything of the type and the action."""
        return action in self.actions and (self.types is None or type_ in self.types)

    def filter(self) -> Filter:
        """What a resource must meet; `{}` where that is nothing."""
        parts: list[Filter] = [{"k": {"$in": sorted(group)}} for group in self.all_of]
        parts += (condition.filter for condition in self.conditions)
        if len(parts) > 1:
            return {"$and": parts}
        return parts[0] if parts else {}

    def met(self, document: Mapping[str, Any]) -> bool:
        """Whether a resource with these keys meets it."""
        return all(any(key in document["k"] for key in group) for group in self.all_of) and all(
            meets(document, condition.filter) for condition in self.conditions
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One of those that a grant is the intersection of: what any rule permits and none denies."""

    name: str
    rules: tuple[Rule, ...] = ()
    denials: tuple[Rule, ...] = ()

    def filter(self, type_: str, action: Action) -> Filter:
        """What this part demands of a resource; `{}` for nothing, NOTHING where none can do."""
        permits = [rule.filter() for rule in self.rules if rule.covers(type_, action)]
        denies = [rule.filter() for rule in self.denials if rule.covers(type_, action)]
        if not permits or {} in denies:
            return NOTHING
        found: list[Filter] = []
        if {} not in permits:
            found.append(permits[0] if len(permits) == 1 else {"$or": permits})
        if denies:
            found.append({"$nor": denies})
        return _all(found)

    def decide(self, type_: str, action: Action, document: Mapping[str, Any]) -> bool:
        """Whether this part permits the action on the resource that has these keys."""
        return any(
            rule.covers(type_, action) and rule.met(document) for rule in self.rules
        ) and not any(rule.covers(type_, action) and rule.met(document) for rule in self.denials)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may do. No rules: nothing.

    It is an intersection: what `rules` permit and every further part permits too. Nothing that is
    added widens it.
    """

    policy: str
    reason: str
    rules: tuple[Rule, ...] = ()
    parts: tuple[Part, ...] = ()
    _filters: dict[tuple[str, Action], Filter] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _fields: dict[tuple[str, Action], dict[str, int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def closed(cls) -> Grant:
        """The default: nothing is permitted."""
        return cls("closed", "no caller is known")

    @classmethod
    def open(cls) -> Grant:
        """Everything, for a server that was started with `--open`."""
        return cls("open", "the server was started open", (Rule(frozenset(Action)),))

    @classmethod
    def system(cls, reason: str) -> Grant:
        """Everything, for the server's own work; `reason` says which."""
        return cls("system", reason, (Rule(frozenset(Action)),))

    def narrowed(self, *parts: Part) -> Grant:
        """The intersection with further parts."""
        return replace(self, parts=(*self.parts, *parts))

    def wherever(self, type_: str, action: Action, reason: str) -> Grant:
        """The same for one type and action alone, in whichever compartment a resource lies.

        For what lies in none, where another resource is asked in its place; `reason` says which.
        """
        rules = tuple(
            Rule(frozenset((action,)), frozenset((type_,)), (), rule.conditions)
            for rule in self.rules
            if rule.covers(type_, action)
        )
        return replace(self, reason=f"{self.reason}; {reason}", rules=rules)

    @property
    def identified(self) -> bool:
        """Whether anybody stands behind it; nobody does where no credentials were given."""
        return self.policy != "closed"

    @property
    def judges(self) -> bool:
        """Whether each resource is decided on once more before it is answered."""
        return bool(self.parts)

    def allows(self, type_: str, action: Action) -> bool:
        """Whether some resource of the type could be permitted at all."""
        return self.filter(type_, action) is not NOTHING

    def shows_all(self, type_: str) -> bool:
        """Whether nothing of the type is hidden: what is not shown then does not exist."""
        actions = (Action.READ, Action.UPDATE, Action.DELETE)
        return any(not self.filter(type_, action) for action in actions)

    def filter(self, type_: str, action: Action) -> Filter:
        """The part of the MongoDB filter that this grant demands.

        `{}` where it demands nothing, NOTHING itself where it permits nothing of the type.
        """
        found = self._filters.get((type_, action))
        if found is None:
            found = self._filter(type_, action)
            self._filters[type_, action] = found
        return found

    def fields(self, type_: str, action: Action) -> dict[str, int]:
        """The fields that `decide` asks of, as a projection; `g` beside `k`, for tombstones."""
        found = self._fields.get((type_, action))
        if found is None:
            names = set(_names(self.filter(type_, action)))
            found = dict.fromkeys(sorted(names | {"k", "g"}), 1)
            self._fields[type_, action] = found
        return found

    def _filter(self, type_: str, action: Action) -> Filter:
        demands = [part.filter(type_, action) for part in (Part("", self.rules), *self.parts)]
        if any(demand is NOTHING for demand in demands):
            return NOTHING
        return _all([demand for demand in demands if demand])

    def decide(self, type_: str, action: Action, document: Mapping[str, Any]) -> Decision:
        """Whether the action is permitted on one resource, by its keys (`search.meets`)."""
        for part in (Part(self.policy, self.rules), *self.parts):
            if not part.decide(type_, action, document):
                reason = f"{part.name}: no rule permits {action.name} on this {type_}"
                return Decision(False, reason)
        return Decision(True, self.reason)

    def canonical(self) -> bytes:
        """What it permits as bytes, the same in every process."""
        return msgspec.json.encode(
            [
                self.policy,
                _rows(self.rules),
                [[part.name, _rows(part.rules), _rows(part.denials)] for part in self.parts],
            ]
        )


def _all(parts: list[Filter]) -> Filter:
    if len(parts) > 1:
        return {"$and": parts}
    return parts[0] if parts else {}


def _names(filter_: Filter) -> Iterator[str]:
    for name, wanted in filter_.items():
        if name.startswith("$"):
            for part in wanted:
                yield from _names(part)
        else:
            yield name.partition(".")[0]


def _rows(rules: tuple[Rule, ...]) -> list[Any]:
    return [
        [
            sorted(action.value for action in rule.actions),
            None if rule.types is None else sorted(rule.types),
            [sorted(group) for group in rule.all_of],
            [condition.text for condition in rule.conditions],
        ]
        for rule in rules
    ]
