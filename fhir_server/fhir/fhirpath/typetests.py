"""Type tests: `is`, `as`, `ofType` and `type()`.

https://hl7.org/fhirpath/N1/#types, http://hl7.org/fhir/R4/fhirpath.html#types. A FHIR type and the
System type of the same value are different types (`Patient.active is System.Boolean` is false).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir.fhirpath.errors import SemanticFault
from fhir_server.fhir.fhirpath.shapes import Node, shape
from fhir_server.fhir.fhirpath.syntax import Expression, Member, TypeName
from fhir_server.fhir.fhirpath.values import TypeInfo, system_name

_SYSTEM = frozenset(
    ("Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity")
)
Test = Callable[[Any], bool]


def type_name(argument: Expression) -> TypeName:
    """The type that stands as an argument: `is(FHIR.Patient)`."""
    if isinstance(argument, Member):
        if argument.source is None:
            return TypeName("", argument.name, argument.position)
        if isinstance(argument.source, Member) and argument.source.source is None:
            return TypeName(argument.source.name, argument.name, argument.position)
    raise SemanticFault("a type is expected here", position=argument.position)


def check(name: TypeName) -> None:
    """SemanticFault where there is no such type. The System namespace may name any."""
    if name.namespace == "System" or (name.namespace == "" and name.name in _SYSTEM):
        return
    if name.namespace not in ("", "FHIR"):
        raise SemanticFault(f"there is no namespace '{name.namespace}'", position=name.position)
    if not shape(name.name).known:
        raise SemanticFault(f"there is no type '{name.name}'", position=name.position)


def is_test(name: TypeName, strict: bool) -> Test:
    """Whether an item is of the type or derives from it.

    R4's own invariants write `Boolean` for FHIR's `boolean`: not strict, a capitalised name means
    the primitive too.
    """
    wanted, namespace = name.name, name.namespace
    small = wanted[:1].lower() + wanted[1:]
    lenient = not strict and not namespace and wanted in _SYSTEM and wanted != "Quantity"

    def test(item: Any) -> bool:
        if type(item) is Node:
            if namespace == "System":
                return False
            return wanted in item.shape.ancestors or (lenient and small in item.shape.ancestors)
        return namespace != "FHIR" and system_name(item) == wanted

    return test


def exact_test(name: TypeName, strict: bool) -> Test:
    """As `is_test`, but a primitive must be of the very type: a code is not `as` string.

    Complex types and resources match with what derives from them (`ofType(DomainResource)`).
    """
    wanted = name.name
    general = is_test(name, strict)

    def test(item: Any) -> bool:
        if type(item) is Node and item.shape.primitive:
            return item.shape.name == wanted and name.namespace != "System"
        return general(item)

    return test


def static_types(name: TypeName) -> tuple[str, ...] | None:
    """The static type of what passed the test; None where it may be several."""
    if name.namespace == "System":
        return (f"System.{name.name}",)
    if shape(name.name).known:
        return (name.name,)
    return (f"System.{name.name}",) if name.name in _SYSTEM else None


def info(item: Any) -> TypeInfo:
    """What `type()` says of an item."""
    if type(item) is Node:
        return TypeInfo("FHIR", item.shape.fhir)
    return TypeInfo("System", system_name(item))
