"""Structural validation: resources against the compiled table of R4.

Each type is compiled once, at its first use, to closures that return nothing for what is right.
https://hl7.org/fhir/R4/validation.html: structure, cardinality, value domains, required bindings.
"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import Issue
from fhir_server.fhir.definitions import Definitions, Element, TypeDefinition
from fhir_server.fhir.primitives import CHECKS
from fhir_server.validation import objects, primitive
from fhir_server.validation.concept import check_concept
from fhir_server.validation.faults import Check, State, issues
from fhir_server.validation.invariants import is_ruled
from fhir_server.validation.narrative import check_xhtml
from fhir_server.validation.objects import Choice, Required, Shape, check_object
from fhir_server.validation.reference import check_reference
from fhir_server.validation.resource import check_contained, check_extension, check_resource

__all__ = ["Structure"]


class Structure:
    """Checks resources as decoded from JSON. Safe to share: compiles a type at its first use."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self._known = frozenset(definitions.resource_types)
        self._objects: dict[str, Check] = {}
        self._shapes: dict[str, Shape] = {}
        self._resource = check_resource(definitions.resource_types, self._object)

    def check(self, resource: Any, lenient: bool = False) -> list[Issue]:
        """All structural faults, in document order; [] where there is none.

        At most 200 of them, then one that says that there are more. `lenient` is for records
        that come from elsewhere as they are: a reference to a type that the element does not
        allow and an empty narrative, which R4's own examples have, are then warnings.
        """
        state = State(resource if isinstance(resource, dict) else {}, lenient)
        type_ = state.container.get("resourceType")
        root = type_ if isinstance(type_, str) and type_ in self._known else "Resource"
        return issues(lambda: self._resource(resource, {}, state), state, root)

    def shape(self, type_: str) -> Shape | None:
        """What resources of a type look like; None for what is no type of R4's."""
        if type_ not in self._known:
            return None
        self._object(type_)
        return self._shapes[type_]

    def _object(self, name: str) -> Check:
        """The check of a type's or backbone's objects."""
        check = self._objects.get(name)
        if check is None:
            definition = self.definitions.types[name]
            shape = self._shapes[name] = Shape(name, is_ruled(self.definitions, name))
            # What stands beside a primitive is an Element itself; nothing else is one exactly.
            check = check_object(shape, definition.kind == "resource" or name == "Element")
            self._objects[name] = check
            self._fill(shape, definition)
        return check

    def _fill(self, shape: Shape, definition: TypeDefinition) -> None:
        for element in definition.elements.values():
            names = []
            for code in element.types:
                suffix = code[:1].upper() + code[1:] if element.choice else ""
                step = f".{element.name}.ofType({code})" if element.choice else f".{element.name}"
                name = element.name + suffix
                names.append(name)
                shape.steps[name] = shape.steps[f"_{name}"] = step
                self._property(shape, name, element, code)
            if element.min:
                form = f"one of {', '.join(names[:6])}" if element.choice else names[0]
                shape.required.append((names[0], Required(element.name, tuple(names), form)))
            if len(names) > 1:
                spelled = frozenset(names) | {f"_{name}" for name in names}
                others = sum(e.min > 0 for e in definition.elements.values() if e is not element)
                shape.choices.append(Choice(element.name, spelled, others + 2))
        if definition.kind == "resource":
            shape.checks["resourceType"] = lambda value, owner, state: None
            shape.steps["resourceType"] = ".resourceType"
        if definition.name == "Extension":
            shape.further.append(check_extension)

    def _property(self, shape: Shape, name: str, element: Element, code: str) -> None:
        if code == "xhtml":
            shape.checks[name] = check_xhtml
        elif code in CHECKS:
            single = self._primitive(element, code)
            beside = self._object("Element")
            if element.many:
                shape.checks[name] = primitive.repeated(single, f"_{name}")
                shape.checks[f"_{name}"] = primitive.companions(beside, name)
            else:
                shape.checks[name] = single
                if element.representation != "xmlAttr":
                    shape.checks[f"_{name}"] = primitive.companion(beside, name)
        else:
            check = self._complex(element, code)
            shape.checks[name] = objects.repeated(check) if element.many else check

    def _primitive(self, element: Element, code: str) -> Check:
        codes = self.definitions.codes(element.binding) if element.binding else None
        if codes is None:
            return primitive.plain(code)
        return primitive.coded(codes, element.binding or "")

    def _complex(self, element: Element, code: str) -> Check:
        if code == "Resource":
            if element.name == "contained":
                return check_contained(self._known, self._object)
            return self._resource
        check = self._object(element.content or code)
        if code == "Reference":
            return check_reference(check, element.targets, self._known)
        if code == "CodeableConcept" and element.binding:
            codings = self.definitions.codings(element.binding)
            if codings is not None:
                return check_concept(check, codings, element.binding)
        return check
