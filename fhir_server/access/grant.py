"""The value that one must hold to read or write a resource.

A grant is compiled once per request. It becomes part of the MongoDB filter, so that totals, pages,
chains, includes and history cannot show what the caller may not see, and it decides once more, per
resource, before anything is answered.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, with the reason for the journal; the caller is never shown it."""

    permitted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission: these actions on these types (None: every type), where the keys agree.

    `all_of` is a conjunction of groups; a resource meets a group when it has any key of it.
    """

    actions: frozenset[Action]
    types: frozenset[str] | None = None
    all_of: tuple[frozenset[str], ...] = ()

    def covers(self, type_: str, action: Action) -> bool:
        """Whether this rule says anything of the type and the action."""
        return action in self.actions and (self.types is None or type_ in self.types)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may do, for one request. No rules: nothing."""

    policy: str
    reason: str
    rules: tuple[Rule, ...] = ()

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

    def allows(self, type_: str, action: Action) -> bool:
        """Whether some resource of the type could be permitted at all."""
        return any(rule.covers(type_, action) for rule in self.rules)

    def filter(self, type_: str, action: Action, field: str = "k") -> Filter:
        """The part of the MongoDB filter that this grant demands; `{}` where it demands nothing.

        `field` is where the keys lie: `k`, or `g` in a tombstone.
        """
        parts: list[Filter] = []
        for rule in self.rules:
            if not rule.covers(type_, action):
                continue
            if not rule.all_of:
                return {}
            groups = [{field: {"$in": sorted(group)}} for group in rule.all_of]
            parts.append({"$and": groups} if len(groups) > 1 else groups[0])
        if not parts:
            return NOTHING
        return parts[0] if len(parts) == 1 else {"$or": parts}

    def decide(self, type_: str, action: Action, keys: Container[str]) -> Decision:
        """Whether the action is permitted on one resource that has these keys."""
        for rule in self.rules:
            if rule.covers(type_, action) and all(
                any(key in keys for key in group) for group in rule.all_of
            ):
                return Decision(True, self.reason)
        return Decision(False, f"{self.policy}: no rule permits {action.name} on this {type_}")
