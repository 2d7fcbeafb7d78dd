"""What a profile looks at: the values of an element, each with its type and its step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NamedTuple

from fhir_server.fhir.definitions import Definitions, Element
from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.fhirpath.shapes import shape

__all__ = ["Gather", "Item", "gatherer", "node"]


class Item(NamedTuple):
    """One value of an element."""

    code: str
    """Its type: a data type, a backbone by path, or the type of the resource that it is."""
    value: Any
    """None where a primitive has only extensions."""
    extra: Any
    """What stands beside a primitive: id and extensions."""
    step: str
    """From the object that has it: `.name[0]`, `.value.ofType(Quantity)`."""


Gather = Callable[[dict[str, Any]], list[Item]]


def gatherer(definitions: Definitions, element: Element) -> Gather:
    """Finds an element's values in the object that has them."""
    rows = []
    for code in element.types:
        name = element.name + (code[:1].upper() + code[1:] if element.choice else "")
        step = f".{element.name}.ofType({code})" if element.choice else f".{element.name}"
        primitive = definitions.types[code].kind == "primitive-type"
        rows.append((name, f"_{name}" if primitive else "", element.content or code, step))
    resource = "Resource" in element.types

    def gather(owner: dict[str, Any]) -> list[Item]:
        found: list[Item] = []
        for name, sibling, code, step in rows:
            value = owner.get(name)
            extra = owner.get(sibling) if sibling else None
            if value is None and extra is None:
                continue
            if type(value) is list or type(extra) is list:
                for index, (one, more) in enumerate(zip_longest(value or (), extra or ())):
                    kind = one["resourceType"] if resource else code
                    found.append(Item(kind, one, more, f"{step}[{index}]"))
            else:
                kind = value["resourceType"] if resource and value else code
                found.append(Item(kind, value, extra, step))
        return found

    return gather


def node(item: Item, owner: Any) -> Node:
    """The item as FHIRPath has it; `owner` is the resource that local references point into."""
    return Node(shape(item.code), item.value, item.extra, owner)
