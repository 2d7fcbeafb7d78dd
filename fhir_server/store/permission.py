"""Where a grant meets the database: a filter on what is shown, a decision on what is written.

A tombstone is judged by the keys of the version that was deleted, a replaced version by its own
keys and by those of the current one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.access.grant import NOTHING, Action, Filter, Grant
from fhir_server.errors import Forbidden
from fhir_server.search.keys import Keys
from fhir_server.search.meets import searchable
from fhir_server.store.version import Version, keys_of

BY_METHOD = {
    "POST": Action.CREATE,
    "PUT": Action.UPDATE,
    "PATCH": Action.UPDATE,
    "DELETE": Action.DELETE,
}
WRITABLE = (Action.READ, Action.UPDATE, Action.DELETE)
"""Who may do any of these to a resource may know that it is there."""

JUDGED = dict.fromkeys(("u", "p", "d", "e", "k", "r", "s", "g", "x"), 1)
"""The fields of a document that a grant decides by, besides its id."""

_TOMBSTONE = {"k": "g"}
_HISTORY = {"_id": "i"}
_NO_KEYS = Keys(None, None, None, [], [])


def shown(
    grant: Grant, type_: str, *actions: Action, tombstones: bool = False, history: bool = False
) -> Filter:
    """The part of a query that keeps to what the grant permits by any of the actions.

    `{}` where that is everything; with `tombstones` also what was deleted, by its last keys;
    with `history` for the collection of replaced versions.
    """
    names = _HISTORY if history else {}
    parts: list[Filter] = []
    for action in actions:
        part = grant.filter(type_, action)
        if not part:
            return {}
        if part is NOTHING:
            continue
        if not tombstones:
            parts.append(_renamed(part, names))
            continue
        # Either by its own field: a denial by keys is met by all that has no such field.
        parts.append({"x": None, "$and": [_renamed(part, names)]})
        parts.append({"x": True, "$and": [_renamed(part, names | _TOMBSTONE)]})
    if not parts:
        return NOTHING
    return parts[0] if len(parts) == 1 else {"$or": parts}


def _renamed(filter_: Filter, names: Mapping[str, str]) -> Filter:
    """The same filter on other fields; the rows of `r` keep the names of theirs."""
    if not names:
        return filter_
    return {
        names.get(name, name): (
            [_renamed(part, names) for part in wanted]
            if name in ("$and", "$or", "$nor")
            else wanted
        )
        for name, wanted in filter_.items()
    }


def both(left: Filter, right: Filter) -> Filter:
    """The filter that meets two filters."""
    if not left or not right:
        return left or right
    return {"$and": [left, right]}


def demand(grant: Grant, action: Action, version: Version) -> None:
    """Raise Forbidden unless the grant permits the action on a resource with these keys."""
    if not permits(grant, action, version):
        raise Forbidden(f"You may not {action.name.lower()} this {version.type}")


def permits(grant: Grant, action: Action, version: Version) -> bool:
    """Whether the grant permits the action on a version, which must have its keys."""
    if not grant.filter(version.type, action):
        return True
    document = searchable(version.id, version.updated, keys_of(version) or _NO_KEYS)
    return grant.decide(version.type, action, document).permitted


def judged(
    grant: Grant, type_: str, document: Mapping[str, Any], actions: Iterable[Action]
) -> bool:
    """Whether the grant permits one of the actions on a document with the fields of JUDGED."""
    seen = {**document, "k": document.get("k") or document.get("g") or []}
    if "i" in document:
        seen["_id"] = document["i"]
    return any(grant.decide(type_, action, seen).permitted for action in actions)
