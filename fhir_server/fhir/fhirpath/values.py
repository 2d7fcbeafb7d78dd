"""Items as values: what operators work on, what a caller gets, what `type()` tells."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath.quantity import CALENDAR, Quantity
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.temporal import Temporal

_UCUM = "http://unitsofmeasure.org"
_CALENDAR = "http://hl7.org/fhirpath/CodeSystem/calendar-units"


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What `type()` tells."""

    namespace: str
    name: str


def system(item: Any) -> Any:
    """The value that operators work on: bool, int, Decimal, str, Temporal, Quantity.

    A complex node comes back as it is; None where a primitive has extensions alone.
    """
    if type(item) is not Node:
        return item
    form = item.shape
    if form.primitive:
        return None if item.value is None else form.read(item.value)
    return quantity(item) if form.quantity else item


def quantity(node: Node) -> Any:
    """The System.Quantity of a FHIR Quantity; the node itself where it is none.

    http://hl7.org/fhir/R4/fhirpath.html#quantity
    """
    content = node.value
    if not isinstance(content, dict) or content.get("comparator"):
        return node
    value = content.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return node
    where = content.get("system")
    code = content.get("code")
    if where == _CALENDAR and code in CALENDAR:
        return Quantity(Decimal(value), CALENDAR[code], calendar=True)
    if where == _UCUM and isinstance(code, str):
        return Quantity(Decimal(value), code)
    if where is None and code is None:
        return Quantity(Decimal(value), content.get("unit") or "1")
    return Quantity(Decimal(value), f"{where}|{code}")  # comparable with its own kind alone


def plain(item: Any) -> Any:
    """JSON for an item: dates as text, quantities and type names as objects."""
    if type(item) is Node:
        return item.value if item.value is not None else item.extra
    if type(item) is Temporal:
        return str(item)
    if type(item) is Quantity:
        if item.calendar:
            return {"value": item.value, "unit": item.unit}
        return {"value": item.value, "unit": item.unit, "system": _UCUM, "code": item.unit}
    if type(item) is TypeInfo:
        return {"namespace": item.namespace, "name": item.name}
    return item


def system_name(item: Any) -> str:
    """`Integer`, `String`, ... of a value that is no node."""
    if type(item) is Temporal:
        return item.kind
    return _SYSTEM.get(type(item)) or ("Decimal" if isinstance(item, Decimal) else "String")


_SYSTEM = {
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    str: "String",
    Quantity: "Quantity",
    TypeInfo: "TypeInfo",
}
