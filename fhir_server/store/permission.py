"""Where a grant meets the database: a filter on what is shown, a decision on what is written."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.errors import Forbidden

BY_METHOD = {
    "POST": Action.CREATE,
    "PUT": Action.UPDATE,
    "PATCH": Action.UPDATE,
    "DELETE": Action.DELETE,
}
WRITABLE = (Action.READ, Action.UPDATE, Action.DELETE)
"""Who may do any of these to a resource may know that it is there."""


def shown(grant: Grant, type_: str, *actions: Action, tombstones: bool = False) -> Filter:
    """The part of a query that keeps to what the grant permits by any of the actions.

    `{}` where that is everything; with `tombstones` also what was deleted, by its last keys.
    """
    parts: list[Filter] = []
    for action in actions:
        part = grant.filter(type_, action)
        if not part:
            return {}
        if part == NOTHING:
            continue
        parts.append(part)
        if tombstones:
            parts.append(grant.filter(type_, action, field="g"))
    if not parts:
        return NOTHING
    return parts[0] if len(parts) == 1 else {"$or": parts}


def both(left: Filter, right: Filter) -> Filter:
    """The filter that meets two filters."""
    if not left or not right:
        return left or right
    return {"$and": [left, right]}


def demand(grant: Grant, type_: str, action: Action, keys: Sequence[str]) -> None:
    """Raise Forbidden unless the grant permits the action on a resource with these keys."""
    if not grant.decide(type_, action, keys).permitted:
        raise Forbidden(f"You may not {action.name.lower()} this {type_}")
