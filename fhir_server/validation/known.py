"""Resources most of whose elements were found right before.

What is wrong with a resource lies in one of its elements, or in the names of all of them, or in an
invariant of the whole. An element that was right stays right where it depends on nothing around
it; a tuple of names is right or not, and silences most invariants, whatever the values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.fhir.elements import Element, Elements
from fhir_server.validation.faults import State
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
    whole: AboutObject
    table: Table
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
        new: list[tuple[str, Any, Element | None]] = []
        for name, value in resource.items():
            element = elements.get(name)
            if element is None or element.value is not value:
                new.append((name, value, None))
            elif element.right is not self or name in form.paired:
                new.append((name, value, element))
        holder = self._invariants.holder(resource)
        for name, value, _ in new:
            check = type_.shape.checks.get(name)
            if check is None or check(value, resource, holder) is not None:
                return False
        if not form.silent and type_.whole(resource, {}, holder) is not None:
            return False
        for name, value, element in new:
            inner = type_.table.get(name)
            if inner is not None:
                holder.place = inner[2]
                if inner[1](value, resource, holder) is not None:
                    return False
                if self._invariants.looks_out(inner[2]):
                    continue
            if element is not None and element.alone and name not in form.paired:
                element.right = self
        return True

    def _type(self, name: Any) -> _Type | None:
        if type(name) is not str:
            return None
        known = self._types.get(name)
        if known is None:
            shape = self._structure.shape(name)
            if shape is not None:
                known = self._types[name] = _Type(shape, *self._invariants.walks(name), {})
        return known


def _form(type_: _Type, resource: Json) -> _Form | None:
    """None where something is missing, or a choice is there twice."""
    names = tuple(resource)
    form = type_.forms.get(names)
    if form is None and type_.shape.form(resource, State(resource)) is None:
        if len(type_.forms) >= MOST_FORMS:
            type_.forms.clear()
        beside = {name for name in names if name.startswith("_")}
        paired = frozenset(beside | {name[1:] for name in beside})
        form = type_.forms[names] = _Form(type_.whole.is_silent(resource), paired)
    return form
