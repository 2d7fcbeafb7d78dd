"""Resources most of whose elements were found right before.

What is wrong with a resource lies in one of its elements, or in the names of all of them, or in an
invariant of the whole. An element that was right stays right where it depends on nothing around
it; a tuple of names is right or not, and silences most invariants, whatever the values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.fhir.elements import Elements
from fhir_server.validation.faults import Check, State
from fhir_server.validation.invariants import Invariants
from fhir_server.validation.objects import Shape
from fhir_server.validation.structure import Structure
from fhir_server.validation.walks import AboutObject, Table

__all__ = ["Known"]

Json = dict[str, Any]

MOST_FORMS = 500
"""Tuples of names of one type that are remembered."""


class _Form(NamedTuple):
    """What the names of a resource tell."""

    silent: bool
    """That no invariant of the whole is broken."""
    paired: frozenset[str]
    """Primitives with something beside them, and that: the one is looked at with the other."""


class _Type(NamedTuple):
    shape: Shape
    checks: dict[str, Check]
    whole: AboutObject
    table: Table
    stated: frozenset[str]
    """The properties with an invariant that is stated on the property itself."""
    forms: dict[tuple[str, ...], _Form]


class Known:
    """Tells whether resources are right. Safe to share."""

    def __init__(self, structure: Structure, invariants: Invariants) -> None:
        self._structure = structure
        self._invariants = invariants
        self._types: dict[str, _Type] = {}

    def is_right(self, resource: Json, elements: Elements) -> bool:
        """Whether structure and invariants have no fault for certain.

        False says nothing: the checks of both know.
        """
        type_ = self._type(resource.get("resourceType"))
        form = _form(type_, resource) if type_ is not None else None
        if type_ is None or form is None:
            return False
        silent, paired = form
        # All but two or three were right before, so the others cost no more than this look. An id
        # that is no element is one that the server gave.
        new = [(name, one) for name, one in elements.items() if one.right is not self]
        if paired:
            new += [(name, one) for name, one in elements.items() if name in paired]
        holder = self._invariants.holder(resource)
        checks, stated = type_.checks, type_.stated
        ruled = []
        for name, one in new:
            holder.ruled = name in stated
            if checks[name](one.value, resource, holder) is not None:
                return False
            if holder.ruled:
                ruled.append((name, one))
            elif one.alone and name not in paired:
                one.right = self
        if not silent and type_.whole(resource, {}, holder) is not None:
            return False
        for name, one in ruled:
            _, walk, place = type_.table[name]
            holder.place = place
            if walk(one.value, resource, holder) is not None:
                return False
            if one.alone and name not in paired and not self._invariants.looks_out(place):
                one.right = self
        return True

    def _type(self, name: Any) -> _Type | None:
        if type(name) is not str:
            return None
        known = self._types.get(name)
        if known is None:
            shape = self._structure.shape(name)
            if shape is not None:
                whole, table = self._invariants.walks(name)
                paths = self._invariants.definitions.invariants
                stated = frozenset(one for one, (_, _, path) in table.items() if path in paths)
                known = _Type(shape, shape.checks, whole, table, stated, {})
                self._types[name] = known
        return known


def _form(type_: _Type, resource: Json) -> _Form | None:
    """None where a name is not known, something is missing, or a choice is there twice."""
    names = tuple(resource)
    form = type_.forms.get(names)
    if form is None and _fits(type_.shape, resource):
        if len(type_.forms) >= MOST_FORMS:
            type_.forms.clear()
        beside = {name for name in names if name.startswith("_")}
        paired = frozenset(beside | {name[1:] for name in beside})
        form = type_.forms[names] = _Form(type_.whole.is_silent(resource), paired)
    return form


def _fits(shape: Shape, resource: Json) -> bool:
    return resource.keys() <= shape.checks.keys() and shape.form(resource, State(resource)) is None
