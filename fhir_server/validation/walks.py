"""How the objects of a type are gone through: as a whole, then property by property."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

from fhir_server.fhir.definitions import Element
from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.validation.faults import Faults, above
from fhir_server.validation.rule import Extended, Holder, Rule, Walk

__all__ = ["AboutObject", "Table", "about_properties", "beside_primitive", "each_of", "with_rules"]

Table: TypeAlias = dict[str, tuple[str, Walk, str]]
"""JSON property -> its step, what looks at it, and the path of its element."""

MOST_FORMS = 100
"""Tuples of names of one type that are remembered."""

_LINKS = re.compile(r"""\s(?:href|src)\s*=\s*["'](#[^"']+)""").findall
_LOOKED_INTO = frozenset({"contained", "extension", "modifierExtension"})
_ABOUT_CONTAINED = frozenset({"dom-3", "dom-4", "dom-5"})


class AboutObject:
    """Looks at an object as a whole. It is a `Walk`."""

    def __init__(
        self, name: str, rules: list[Rule], extended: Extended | None, native: Walk | None
    ) -> None:
        self._name = name
        self._form = shape(name)
        self._plain = [r for r in rules if r.invariant.key not in _ABOUT_CONTAINED]
        self._about_contained = [r for r in rules if r.invariant.key in _ABOUT_CONTAINED]
        self._extended = extended
        self._native = native

    def is_silent(self, value: dict[str, Any]) -> bool:
        """Whether it finds nothing in any object that has the same properties."""
        return (
            self._native is None
            and _LOOKED_INTO.isdisjoint(value)
            and all(rule.is_certain(value, self._form) for rule in self._plain)
        )

    def __call__(self, value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        faults: Faults = None
        if self._extended is not None and ("extension" in value or "modifierExtension" in value):
            faults = self._extended(self._name, value, holder)
        if self._native is not None:
            faults = _add(faults, self._native(value, owner, holder))
        node = None
        for rule in self._plain:
            # Most hold for certain, and their objects need no nodes.
            if rule.holds(value, self._form):
                continue
            # Contained resources have no narrative (narrative.html), whatever dom-6 advises.
            if rule.invariant.key != "dom-6" or holder.resource is holder.container:
                node = node or Node(self._form, value, None, holder.container)
                faults = _add(faults, rule.evaluate(node, holder))
        if self._about_contained and "contained" in value:
            faults = _add(faults, self._contained(value, holder))
        return faults

    def _contained(self, value: dict[str, Any], holder: Holder) -> Faults:
        faults: Faults = None
        for rule in self._about_contained:
            if rule.invariant.key != "dom-3":
                faults = _add(faults, rule(Node(self._form, value, None, holder.container), holder))
            elif not _all_referenced(value):
                text = f"{rule.invariant.human} (dom-3)"
                faults = _add(faults, holder.fault("invariant", text))
        return faults


class _Form(NamedTuple):
    """What the names of an object's properties tell."""

    silent: bool
    """That nothing is to be said of the object as a whole."""
    inner: tuple[str, ...]
    """The properties that are to be looked at."""


def about_properties(own: AboutObject, table: Table) -> Walk:
    """An object as a whole, then its properties."""
    forms: dict[tuple[str, ...], _Form] = {}

    def walk(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        names = tuple(value)
        form = forms.get(names)
        if form is None:
            if len(forms) >= MOST_FORMS:
                forms.clear()
            inner = tuple(name for name in names if name in table)
            form = forms[names] = _Form(own.is_silent(value), inner)
        silent, inner = form
        faults = None if silent else own(value, owner, holder)
        for name in inner:
            step, look, holder.place = table[name]
            found = look(value[name], value, holder)
            if found is not None:
                faults = _add(faults, above(found, step))
        return faults

    return walk


def beside_primitive(code: str, extension: Walk, extended: Extended) -> Walk:
    """What stands beside a primitive of the type `code`: its extensions, and what they hold."""

    def walk(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        if value is None or "extension" not in value:
            return None
        faults = extended(code, value, holder)
        for index, item in enumerate(value["extension"]):
            holder.place = "Element.extension"
            found = extension(item, value, holder)
            if found is not None:
                faults = _add(faults, above(found, f".extension[{index}]"))
        return faults

    return walk


def each_of(single: Walk) -> Walk:
    def walk(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        faults: Faults = None
        place = holder.place
        for index, item in enumerate(value):
            holder.place = place
            found = single(item, owner, holder)
            if found is not None:
                faults = _add(faults, above(found, f"[{index}]"))
        return faults

    return walk


def with_rules(
    rules: list[Rule], inner: Walk | None, code: str, element: Element, names: dict[str, Any]
) -> Walk:
    """Rules that are stated on an element, before those of what it holds."""
    form = shape(code)
    suffix = code[:1].upper() + code[1:] if element.choice else ""
    sibling = f"_{element.name}{suffix}"

    def walk(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        extra = None if element.many else owner.get(sibling)
        node = Node(form, value, extra, holder.container)
        faults: Faults = None
        for rule in rules:
            faults = _add(faults, rule(node, holder))
        return faults if inner is None else _add(faults, inner(value, owner, holder))

    return walk


def _all_referenced(resource: dict[str, Any]) -> bool:
    """dom-3: whether something points at each contained resource, or it at its container.

    Its expression gathers all descendants for each of them, which a hostile resource makes cost
    minutes, and knows no narratives, whose links and images count too. So: one walk.
    """
    found: set[str] = set()
    _collect_local(resource, found)
    for item in resource["contained"]:
        if f"#{item.get('id')}" not in found:
            own: set[str] = set()
            _collect_local(item, own)
            if "#" not in own:
                return False
    return True


def _collect_local(value: Any, found: set[str]) -> None:
    """References, canonicals and uris to `#...`, and the narratives' links."""
    for item in value.values() if type(value) is dict else value:
        if type(item) is str:
            if item[:1] == "#":
                found.add(item)
            elif item[:4] == "<div":
                found.update(_LINKS(item))
        elif type(item) is dict or type(item) is list:
            _collect_local(item, found)


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found
