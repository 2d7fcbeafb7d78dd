"""Where a path ends in the type definitions: which FHIR types its values have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.fhir.definitions import Definitions
from fhir_server.search.expression import Path, Step


class Leaf(NamedTuple):
    """An end of a path: the FHIR type there and whether there may be several.

    A backbone is named by its path (`Observation.component`). `targets` are the resource types
    that a Reference there may lead to, () for any; `binding` the value set that a code there must
    come from.
    """

    type: str
    many: bool = False
    targets: tuple[str, ...] = ()
    binding: str | None = None


class Property(NamedTuple):
    """A JSON property that a step leads to."""

    json: str
    leaf: Leaf


def properties(definitions: Definitions, type_: str, name: str) -> list[Property]:
    """The JSON properties of the element `name` of a type or backbone; [] where it has none."""
    definition = definitions.types.get(type_)
    element = definition.elements.get(name) if definition else None
    if element is None:
        return []
    found = []
    for code in element.types:
        suffix = code[:1].upper() + code[1:] if element.choice else ""
        targets = element.targets if code in ("Reference", "canonical") else ()
        leaf = Leaf(element.content or code, element.many, targets, element.binding)
        found.append(Property(name + suffix, leaf))
    return found


def leaves(
    definitions: Definitions, type_: str, paths: Iterable[Path], resource_type: str = ""
) -> tuple[Leaf, ...]:
    """All ends of the paths from a type or backbone (of `resource_type`), each once."""
    found: dict[Leaf, None] = {}
    for path in paths:
        ends = [Leaf(type_)]
        for step in path:
            ends = [
                end
                for one in ends
                for end in _after(definitions, resource_type or type_, one, step)
            ]
        found.update(dict.fromkeys(ends))
    if not _exclusive(paths):
        return tuple(dict.fromkeys(leaf._replace(many=True) for leaf in found))
    return tuple(found)


def same_type(code: str, wanted: str) -> bool:
    """Whether `as(wanted)` keeps a value of the type; R4 itself writes `DateTime` in one place."""
    return code == wanted or code.casefold() == wanted.casefold()


def _after(definitions: Definitions, root: str, leaf: Leaf, step: Step) -> list[Leaf]:
    match step.kind:
        case "name":
            return [
                one.leaf._replace(many=leaf.many or one.leaf.many)
                for one in properties(definitions, leaf.type, step.name)
            ]
        case "as":
            return [leaf] if same_type(leaf.type, step.name) else []
        case "resolves":
            return [leaf._replace(targets=(step.name,))]
        case "at":
            return [leaf._replace(many=False)]
        case "root":
            return [Leaf(root)]
        case _:
            return [leaf]


def _exclusive(paths: Iterable[Path]) -> bool:
    """Whether the paths are the variants of one choice, of which a resource has one."""
    return len({tuple(step for step in path if step.kind != "as") for path in paths}) <= 1
