"""Check of whole resources: by their `resourceType`, contained ones, and those in a Bundle.

https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

from fhir_server.validation.faults import Check, Faults, State, json_type, shown

__all__ = ["check_contained", "check_extension", "check_resource"]


def check_resource(known: Collection[str], shape: Callable[[str], Check]) -> Check:
    """The check of a resource of any type; local references then point into it."""
    types = frozenset(known)

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        type_ = value.get("resourceType") if type(value) is dict else None
        if type(type_) is not str or type_ not in types:
            return _no_resource(value, types, state)
        outer, state.container = state.container, value
        faults = shape(type_)(value, owner, state)
        state.container = outer
        return faults

    return check


def check_contained(known: Collection[str], shape: Callable[[str], Check]) -> Check:
    """The check of a contained resource: it has an id, and contains nothing itself."""
    types = frozenset(known)

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        type_ = value.get("resourceType") if type(value) is dict else None
        if type(type_) is not str or type_ not in types:
            return _no_resource(value, types, state)
        faults: Faults = shape(type_)(value, owner, state)
        if "contained" in value:
            text = "a contained resource must not contain others (dom-2): move them up"
            faults = (faults or []) + (state.fault("invariant", text, ".contained") or [])
        if "id" not in value:
            text = "a contained resource needs an id, to be referred to as #id"
            faults = (faults or []) + (state.fault("required", text, ".id") or [])
        return faults

    return check


def _no_resource(value: Any, known: Collection[str], state: State) -> Faults:
    if type(value) is not dict:
        return state.fault("structure", f"must be a resource (an object), not {json_type(value)}")
    if "resourceType" not in value:
        return state.fault("required", "resourceType is required: name the type of resource")
    type_ = value["resourceType"]
    if not isinstance(type_, str):
        return state.fault("structure", f"resourceType must be a string, not {json_type(type_)}")
    if type_ in ("Resource", "DomainResource"):
        return state.fault("structure", f"{type_} is abstract: name a concrete type")
    near = get_close_matches(type_[:64], known, 1, 0.7)
    advice = f": did you mean {near[0]}?" if near else ""
    return state.fault("structure", f"{shown(type_)} is no resource type of R4{advice}")


def check_extension(value: dict[str, Any], state: State) -> Faults:
    """ext-1: an extension has a value or extensions, not both, and one of them."""
    valued = False
    for name in value:
        if name[:5] == "value" or name[:6] == "_value":
            valued = True
    if valued != ("extension" in value):
        return None
    text = "value[x] and extension" if valued else "neither value[x] nor extension"
    return state.fault("invariant", f"an extension cannot have {text} (ext-1): give one of them")
