"""Invariants of R4: each type's rules in FHIRPath, at every place where the type stands.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. Runs on resources whose structure is
right. Rules that the structure check has built in are not evaluated again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fhir_server.errors import Issue
from fhir_server.fhir.definitions import Definitions, Element, Invariant
from fhir_server.validation.faults import Faults, issues
from fhir_server.validation.native import NATIVE
from fhir_server.validation.rule import Extended, Holder, Rule, Walk
from fhir_server.validation.walks import (
    AboutObject,
    Table,
    about_properties,
    beside_primitive,
    each_of,
    with_rules,
)

__all__ = ["STRUCTURAL", "Invariants"]

STRUCTURAL = frozenset({"dom-2", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"})
"""Rules that `Validator.structure` sees."""

SEVERITIES = frozenset({"error", "warning"})

_OUTWARD = re.compile(r"%(?:resource|rootResource|context)\b|\bresolve\(").search


def is_ruled(definitions: Definitions, name: str) -> bool:
    """Whether there is more to say of a type's objects, or their properties, than structure.

    An extension has a definition of its own.
    """
    if name in NATIVE or name == "Extension":
        return True
    stated = [
        invariant
        for element in definitions.types[name].elements.values()
        for invariant in definitions.invariants.get(_path(name, element), ())
    ]
    while name:
        definition = definitions.types[name]
        stated += definition.invariants
        name = definition.base
    return any(invariant.key not in STRUCTURAL for invariant in stated)


class Invariants:
    """Evaluates the invariants of resources. Safe to share; compiles a type at its first use."""

    def __init__(
        self,
        definitions: Definitions,
        severities: Collection[str] = SEVERITIES,
        extended: Extended | None = None,
        native: Mapping[str, Walk] = MappingProxyType({}),
    ) -> None:
        """`extended` looks at objects with extensions, `native` has rules that are no FHIRPath."""
        self.definitions = definitions
        self._severities = severities
        self._quiet = "warning" not in severities
        self._extended = extended
        self._native = native
        self._walks: dict[str, Walk] = {}
        self._outer: dict[str, tuple[AboutObject, Table]] = {}
        """What looks at an object as a whole, and what at its properties."""
        self._outward: dict[str, bool] = {}

    def check(self, resource: dict[str, Any]) -> list[Issue]:
        """Broken invariants in document order, those of severity warning among them.

        As bounded as `Validator.structure`.
        """
        holder = self.holder(resource)
        walk = self._object(holder.place)
        return issues(lambda: walk(resource, {}, holder), holder, holder.place)

    def holder(self, resource: dict[str, Any]) -> Holder:
        """What walks through the resource know of it."""
        holder = Holder(resource)
        holder.quiet = self._quiet
        holder.place = resource["resourceType"]
        return holder

    def walks(self, type_: str) -> tuple[AboutObject, Table]:
        """What looks at resources of a type as a whole, and what at their properties."""
        self._object(type_)
        return self._outer[type_]

    def looks_out(self, path: str) -> bool:
        """Whether a rule within an element looks at what lies outside of it."""
        known = self._outward.get(path)
        if known is None:
            stated = [
                invariant
                for place, invariants in self.definitions.invariants.items()
                if f"{place}.".startswith(f"{path}.")
                for invariant in invariants
            ]
            for name, definition in self.definitions.types.items():
                if f"{name}.".startswith(f"{path}."):
                    stated += definition.invariants
            known = any(_OUTWARD(invariant.expression) for invariant in stated)
            self._outward[path] = known
        return known

    def _object(self, name: str) -> Walk:
        walk = self._walks.get(name)
        if walk is None:
            table: Table = {}
            own = AboutObject(name, self._rules(name), self._extended, self._native.get(name))
            self._outer[name] = own, table
            walk = self._walks[name] = about_properties(own, table)
            self._fill(table, name)
        return walk

    def _rules(self, name: str) -> list[Rule]:
        """The rules of a type and of all that it derives from."""
        found: list[Rule] = []
        while name:
            definition = self.definitions.types[name]
            found += self._compiled(definition.invariants)
            name = definition.base
        return found

    def _compiled(self, invariants: Iterable[Invariant]) -> list[Rule]:
        return [
            Rule(invariant)
            for invariant in invariants
            if invariant.key not in STRUCTURAL and invariant.severity in self._severities
        ]

    def _fill(self, table: Table, name: str) -> None:
        definition = self.definitions.types[name]
        for element in definition.elements.values():
            path = _path(name, element)
            # A backbone's own rules come with its type, those of a reference to it too.
            stated = () if element.content else self.definitions.invariants.get(path, ())
            rules = self._compiled(stated)
            for code in element.types:
                primitive = self.definitions.types[code].kind == "primitive-type"
                suffix = code[:1].upper() + code[1:] if element.choice else ""
                step = f".{element.name}" + (f".ofType({code})" if element.choice else "")
                if primitive and self._extended is not None:
                    beside = beside_primitive(code, self._object("Extension"), self._extended)
                    if element.many:
                        beside = each_of(beside)
                    table[f"_{element.name}{suffix}"] = (step, beside, path)
                if primitive and not rules:
                    continue
                walk = None if primitive else self._inner(element, code)
                if rules:
                    walk = with_rules(rules, walk, code, element, definition.json)
                if walk is not None:
                    each = each_of(walk) if element.many else walk
                    table[element.name + suffix] = (step, each, path)

    def _inner(self, element: Element, code: str) -> Walk:
        if code == "Resource":
            return self._contained if element.name == "contained" else self._entry
        return self._object(element.content or code)

    def _contained(self, value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        outer, holder.resource = holder.resource, value
        holder.place = value["resourceType"]
        faults = self._object(value["resourceType"])(value, owner, holder)
        holder.resource = outer
        return faults

    def _entry(self, value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        outer, holder.container = holder.container, value
        faults = self._contained(value, owner, holder)
        holder.container = outer
        return faults


def _path(type_: str, element: Element) -> str:
    return f"{type_}.{element.name}{'[x]' if element.choice else ''}"
