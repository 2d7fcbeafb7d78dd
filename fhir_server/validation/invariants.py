"""Invariants of R4: each type's rules in FHIRPath, at every place where the type stands.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. Runs on resources whose structure is
right. Rules that the structure check has built in are not evaluated again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from fhir_server.errors import Issue
from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions, Element, Invariant
from fhir_server.fhir.elements import Elements
from fhir_server.fhir.fhirpath import Compiled, FhirPathError, Node
from fhir_server.fhir.fhirpath.shapes import Shape, shape
from fhir_server.validation.faults import Faults, State, above, issues
from fhir_server.validation.shortcuts import shortcut

__all__ = ["STRUCTURAL", "Invariants"]

STRUCTURAL = frozenset({"dom-2", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"})
"""Rules that `Validator.structure` sees."""

SEVERITIES = frozenset({"error", "warning"})

CORRECTED = {
    # "If there are more than one enableWhen": R4 says > 2, which its own text contradicts.
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
}
"""Rules whose expression says something else than their text; the text decides."""

_LINKS = re.compile(r"""\s(?:href|src)\s*=\s*["'](#[^"']+)""").findall
_OUTWARD = re.compile(r"%(?:resource|rootResource|context)\b|\bresolve\(").search
_ABOUT_CONTAINED = frozenset({"dom-3", "dom-4", "dom-5"})


class Holder(State):
    """Adds the resource that the element at hand stands in: `%resource`."""

    __slots__ = ("outermost", "place", "resource")

    def __init__(self, resource: dict[str, Any]) -> None:
        super().__init__(resource)
        self.resource = resource
        self.outermost = resource
        self.place = ""
        """The element by which one came to the object at hand: `Patient.name`."""


Walk: TypeAlias = Callable[[Any, dict[str, Any], Holder], Faults]
"""Value, the object that it is a property of, holder -> faults."""


Extended: TypeAlias = Callable[[str, dict[str, Any], Holder], Faults]
"""Type of an object that has extensions, the object, holder -> faults of these extensions."""
Table: TypeAlias = dict[str, tuple[str, Walk, str]]
"""JSON property -> its step, what looks at it, and the path of its element."""


class Rule:
    """One invariant, ready to run."""

    __slots__ = ("_certainly", "_form", "compiled", "invariant")

    def __init__(self, invariant: Invariant) -> None:
        self.invariant = invariant
        expression = CORRECTED.get(invariant.key, invariant.expression)
        self.compiled: Compiled = fhirpath.compile(expression)
        self._form: Shape | None = None
        self._certainly: Callable[[dict[str, Any]], bool] | None = None

    def __call__(self, node: Node, holder: Holder) -> Faults:
        if node.shape is not self._form:
            self._form, self._certainly = node.shape, shortcut(self.compiled.tree, node.shape)
        if self._certainly is not None and type(node.value) is dict and self._certainly(node.value):
            return None
        try:
            if self.compiled.check(node, holder.resource, holder.container):
                return None
            text = f"{self.invariant.human} ({self.invariant.key})"
            severity = self.invariant.severity
        except FhirPathError as error:
            text = f"{self.invariant.key} could not be evaluated: {error}"
            severity = "warning"
        return holder.fault("invariant", text, severity=severity)


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
        self._extended = extended
        self._native = native
        self._walks: dict[str, Walk] = {}
        self._outer: dict[str, tuple[Walk, Table]] = {}
        """What looks at an object as a whole, and what at its properties."""
        self._outward: dict[str, bool] = {}

    def check(self, resource: dict[str, Any]) -> list[Issue]:
        """Broken invariants in document order, those of severity warning among them.

        As bounded as `Validator.structure`.
        """
        holder = Holder(resource)
        holder.quiet = "warning" not in self._severities
        type_ = holder.place = resource["resourceType"]
        return issues(lambda: self._object(type_)(resource, {}, holder), holder, type_)

    def hold(self, resource: dict[str, Any], elements: Elements) -> bool:
        """Whether `check` finds nothing for certain; what is known of the elements counts.

        False says nothing: `check` knows.
        """
        type_ = resource["resourceType"]
        self._object(type_)
        own, table = self._outer[type_]
        holder = Holder(resource)
        holder.quiet = "warning" not in self._severities
        holder.place = type_
        if own(resource, {}, holder) is not None:
            return False
        for name, value in resource.items():
            inner = table.get(name)
            if inner is None:
                continue
            element = elements.get(name)
            if element is not None and element.value is value:
                if element.lawful is self:
                    continue
            else:
                element = None
            holder.place = inner[2]
            if inner[1](value, resource, holder) is not None:
                return False
            if element is not None and element.alone and not self._looks_out(inner[2]):
                element.lawful = self
        return True

    def _looks_out(self, path: str) -> bool:
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
            own = _own(name, self._rules(name), self._extended, self._native.get(name))
            self._outer[name] = own, table
            walk = self._walks[name] = _walk(own, table)
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
            path = f"{name}.{element.name}{'[x]' if element.choice else ''}"
            # A backbone's own rules come with its type, those of a reference to it too.
            stated = () if element.content else self.definitions.invariants.get(path, ())
            rules = self._compiled(stated)
            for code in element.types:
                primitive = self.definitions.types[code].kind == "primitive-type"
                suffix = code[:1].upper() + code[1:] if element.choice else ""
                step = f".{element.name}" + (f".ofType({code})" if element.choice else "")
                if primitive and self._extended is not None:
                    beside = _beside(code, self._object("Extension"), self._extended)
                    if element.many:
                        beside = _each(beside)
                    table[f"_{element.name}{suffix}"] = (step, beside, path)
                if primitive and not rules:
                    continue
                walk = None if primitive else self._inner(element, code)
                if rules:
                    walk = _with(rules, walk, code, element, definition.json)
                if walk is not None:
                    each = _each(walk) if element.many else walk
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


def _own(name: str, rules: list[Rule], extended: Extended | None, native: Walk | None) -> Walk:
    """What an object is looked at for as a whole."""
    form = shape(name)
    plain = [r for r in rules if r.invariant.key not in _ABOUT_CONTAINED]
    about_contained = [r for r in rules if r.invariant.key in _ABOUT_CONTAINED]

    def own(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        faults: Faults = None
        if extended is not None and ("extension" in value or "modifierExtension" in value):
            faults = extended(name, value, holder)
        if native is not None:
            faults = _add(faults, native(value, owner, holder))
        if rules:
            node = Node(form, value, None, holder.container)
            for rule in plain:
                # Contained resources have no narrative (narrative.html), whatever dom-6 advises.
                if rule.invariant.key != "dom-6" or holder.resource is holder.container:
                    faults = _add(faults, rule(node, holder))
            if about_contained and "contained" in value:
                for rule in about_contained:
                    if rule.invariant.key != "dom-3":
                        faults = _add(faults, rule(node, holder))
                    elif not _all_referenced(value):
                        text = f"{rule.invariant.human} (dom-3)"
                        faults = _add(faults, holder.fault("invariant", text))
        return faults

    return own


def _walk(own: Walk, table: Table) -> Walk:
    """An object as a whole, then its properties."""
    get = table.get

    def walk(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        faults = own(value, owner, holder)
        for property_, item in value.items():
            inner = get(property_)
            if inner is not None:
                holder.place = inner[2]
                found = inner[1](item, value, holder)
                if found is not None:
                    faults = _add(faults, above(found, inner[0]))
        return faults

    return walk


def _beside(code: str, extension: Walk, extended: Extended) -> Walk:
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


def _each(single: Walk) -> Walk:
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


def _with(
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
