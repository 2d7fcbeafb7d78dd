"""One invariant, ready to run, and what it knows of where it runs.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Invariant
from fhir_server.fhir.fhirpath import Compiled, FhirPathError, Node
from fhir_server.fhir.fhirpath.shapes import Shape
from fhir_server.validation.faults import Faults, State
from fhir_server.validation.shortcuts import in_order, shortcut

__all__ = ["CORRECTED", "Extended", "Holder", "Rule", "Walk"]

CORRECTED = {
    # "If there are more than one enableWhen": R4 says > 2, which its own text contradicts.
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
}
"""Rules whose expression says something else than their text; the text decides."""


class Holder(State):
    """Adds the resource that the element at hand stands in: `%resource`."""

    def __init__(self, resource: dict[str, Any]) -> None:
        State.__init__(self, resource)  # by its name, as `super` costs more than all the rest
        self.resource = resource
        self.outermost = resource
        self.place = ""
        """The element by which one came to the object at hand: `Patient.name`."""


Walk: TypeAlias = Callable[[Any, dict[str, Any], Holder], Faults]
"""Value, the object that it is a property of, holder -> faults."""


Extended: TypeAlias = Callable[[str, dict[str, Any], Holder], Faults]
"""Type of an object that has extensions, the object, holder -> faults of these extensions."""


class Rule:
    """One invariant, ready to run."""

    __slots__ = ("_certainly", "_form", "_ordered", "compiled", "invariant")

    def __init__(self, invariant: Invariant) -> None:
        self.invariant = invariant
        expression = CORRECTED.get(invariant.key, invariant.expression)
        self.compiled: Compiled = fhirpath.compile(expression)
        self._form: Shape | None = None
        self._certainly: Callable[[dict[str, Any]], bool] | None = None
        self._ordered: Callable[[dict[str, Any]], bool] | None = None

    def is_certain(self, value: Any, form: Shape) -> bool:
        """Whether it holds in every object of this form that has the same properties."""
        if form is not self._form:
            self._form, self._certainly = form, shortcut(self.compiled.tree, form)
            self._ordered = in_order(self.compiled.tree, form)
        return self._certainly is not None and type(value) is dict and self._certainly(value)

    def holds(self, value: Any, form: Shape) -> bool:
        """Whether it holds for certain, by the names of the properties or by two dates."""
        if self.is_certain(value, form):
            return True
        return self._ordered is not None and type(value) is dict and self._ordered(value)

    def __call__(self, node: Node, holder: Holder) -> Faults:
        if self.holds(node.value, node.shape):
            return None
        return self.evaluate(node, holder)

    def evaluate(self, node: Node, holder: Holder) -> Faults:
        """As when called, of what is not certain."""
        try:
            if self.compiled.check(node, holder.resource, holder.container):
                return None
            text = f"{self.invariant.human} ({self.invariant.key})"
            severity = self.invariant.severity
        except FhirPathError as error:
            text = f"{self.invariant.key} could not be evaluated: {error}"
            severity = "warning"
        return holder.fault("invariant", text, severity=severity)
