"""Answers put together: lists, and the directives that flatten, slice and single out.

What has no value is left out, as FHIR's JSON leaves it out and the specification's examples do.
https://hl7.org/fhir/R4/graphql.html#flattening
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_server.errors import Unprocessable


@dataclass(slots=True)
class Slot:
    """The values of one name in the answer, all of one FHIR type.

    `many` shows them as a list, `single` never. A search without results (`found`) is the empty
    list, a field that failed is null.
    """

    type: str
    many: bool
    single: bool
    found: bool = False
    failed: bool = False
    values: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Output:
    """One object of the answer while it is filled, in the order of the query."""

    slots: dict[str, Slot] = field(default_factory=dict)

    def slot(self, name: str, type_: str, *, many: bool, single: bool, found: bool = False) -> Slot:
        """Where the values of a name go; flattened fields of one type share it.

        Raises Unprocessable where they are of two types.
        """
        slot = self.slots.get(name)
        if slot is None:
            slot = self.slots[name] = Slot(type_, many, single, found)
        elif slot.type != type_:
            raise Unprocessable(
                f"@flatten: {name} is a {slot.type} and a {type_}; give one of them an alias"
            )
        return slot

    def fail(self, name: str) -> None:
        """Null under this name."""
        self.slots[name] = Slot("", many=False, single=False, failed=True)

    def absorb(self, other: Output) -> None:
        """Take in what a flattened object had: its values come after those that are here."""
        for name, slot in other.slots.items():
            if slot.failed:
                self.fail(name)
                continue
            here = self.slot(name, slot.type, many=slot.many, single=slot.single, found=slot.found)
            here.values += slot.values

    def plain(self) -> dict[str, Any]:
        """The object as JSON. Raises Unprocessable where `@singleton` has several values."""
        return {
            name: _plain(name, slot)
            for name, slot in self.slots.items()
            if slot.values or slot.found or slot.failed
        }


def _plain(name: str, slot: Slot) -> Any:
    values = [value.plain() if isinstance(value, Output) else value for value in slot.values]
    if slot.single and len(values) > 1:
        raise Unprocessable(f"@singleton: {name} has {len(values)} values, not one")
    if values and not slot.single and (slot.many or len(values) > 1):
        return values
    if not values:
        return [] if slot.found else None
    return values[0]
