"""`%name`: what FHIR and FHIRPath define, what the caller gives, what `defineVariable` made.

http://hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

from fhir_server.fhir.fhirpath.errors import SemanticFault
from fhir_server.fhir.fhirpath.parts import Part
from fhir_server.fhir.fhirpath.scope import Items, Scope
from fhir_server.fhir.fhirpath.syntax import Variable

_FIXED = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
}


def variable(tree: Variable) -> Part:
    """The compiled variable. Evaluating it is a SemanticFault where there is none."""
    name = tree.name
    if name in _FIXED:
        return _text(_FIXED[name])
    if name.startswith("vs-"):
        return _text(f"http://hl7.org/fhir/ValueSet/{name[3:]}")
    if name.startswith("ext-"):
        return _text(f"http://hl7.org/fhir/StructureDefinition/{name[4:]}")

    def look_up(scope: Scope) -> Items:
        run = scope.run
        if name == "context":
            return run.context
        if scope.defined is not None and name in scope.defined:
            return scope.defined[name]
        if name in run.variables:
            value = run.variables[name]
            return value if isinstance(value, list) else [] if value is None else [value]
        if name == "resource":
            return [] if run.resource is None else [run.resource]
        if name == "rootResource":
            return [] if run.root is None else [run.root]
        raise SemanticFault(f"there is no variable %{name}", position=tree.position)

    return Part(look_up)


def _text(value: str) -> Part:
    return Part(lambda scope: [value], ("System.String",))
