"""Check of References: form of the literal reference, and the types that it may point at.

https://hl7.org/fhir/R4/references.html. An absolute url or a urn tells nothing about its type, so
it passes; a conditional reference (`Patient?identifier=1`) is resolved before it is stored.
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.fhir.primitives import TEXT
from fhir_server.validation.faults import Check, Faults, State, shown

__all__ = ["check_reference"]

_LITERAL = re.compile(
    r"([A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.+)?|\?.*)"
).fullmatch
_ID = TEXT["id"]
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:").match


def check_reference(plain: Check, targets: tuple[str, ...], known: frozenset[str]) -> Check:
    """The check of one Reference; `targets` () lets it point at any of the `known` types."""
    allowed = frozenset(targets) or known

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        faults = plain(value, owner, state)
        if type(value) is not dict:
            return faults
        literal = value.get("reference")
        if type(literal) is str and (literal[:9] != "urn:uuid:"):
            type_, _, id_ = literal.partition("/")
            if type_ not in allowed or not _ID(id_):
                faults = _both(faults, _other_literal(literal, allowed, known, state))
        if "type" in value:
            named = value["type"]
            if type(named) is str and named in known and named not in allowed:
                faults = _both(faults, _wrong_type(named, allowed, state))
        return faults

    return check


def _both(faults: Faults, found: Faults) -> Faults:
    return found if faults is None else faults + (found or [])


def _other_literal(
    literal: str, allowed: frozenset[str], known: frozenset[str], state: State
) -> Faults:
    """Faults of what is not just `Type/id` with a type that is allowed."""
    if literal.startswith("#"):
        return _wrong_local(literal[1:], allowed, state)
    if _ABSOLUTE(literal):
        return None
    target = _LITERAL(literal)
    if target is None:
        text = f"{shown(literal)} is no reference: give Type/id, an absolute url, a urn or #id"
        return state.fault("value", text)
    if target[1] in allowed:
        return None
    if target[1] not in known:
        return state.fault("value", f"{shown(target[1])} is no resource type of R4")
    return _wrong_type(target[1], allowed, state)


def _wrong_local(id_: str, allowed: frozenset[str], state: State) -> Faults:
    """A local reference: `#` is the container itself, `#id` something that it contains."""
    target = state.contained(id_)
    if target is None and id_ in ("", state.container.get("id")):
        target = state.container
    if target is None:
        text = f"nothing is contained under the id {shown(id_)} (ref-1): contain it"
        return state.fault("not-found", text)
    type_ = target.get("resourceType")
    if type(type_) is not str or type_ in allowed:
        return None  # what is no type at all is a fault of the contained resource
    return _wrong_type(type_, allowed, state)


def _wrong_type(type_: Any, allowed: frozenset[str], state: State) -> Faults:
    may = ", ".join(sorted(allowed)) if len(allowed) <= 12 else "another type"
    return state.soft("structure", f"a reference to {type_} is not allowed here: give {may}")
