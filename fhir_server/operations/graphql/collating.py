"""Answers put together: lists, and the directives that flatten, slice and single out.

https://hl7.org/fhir/R4/graphql.html#flatten
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_server.errors import Unprocessable


@dataclass(slots=True)
class Slot:
    """The values of one name in the answer; `many` shows them as a list, `single` never.

    Where there are none it is null, or for a search's results (`found`) the empty list.
    """

    many: bool
    single: bool
    found: bool = False
    values: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Output:
    """One object of the answer while it is filled, in the order of the query."""

    slots: dict[str, Slot] = field(default_factory=dict)

    def slot(self, name: str, *, many: bool, single: bool, found: bool = False) -> Slot:
        """Where the values of a name go; flattened fields share it."""
        slot = self.slots.get(name)
        if slot is None:
            slot = self.slots[name] = Slot(many, single, found)
        return slot

    def absorb(self, other: Output) -> None:
        """Take in what a flattened object had: its values come after those that are here."""
        for name, slot in other.slots.items():
            self.slot(name, many=slot.many, single=slot.single).values += slot.values

    def plain(self) -> dict[str, Any]:
        """The object as JSON. Raises Unprocessable where `@singleton` has several values."""
        return {name: _plain(name, slot) for name, slot in self.slots.items()}


def _plain(name: str, slot: Slot) -> Any:
    values = [value.plain() if isinstance(value, Output) else value for value in slot.values]
    if slot.single and len(values) > 1:
        raise Unprocessable(f"@singleton: {name} has {len(values)} values, not one")
    if values and not slot.single and (slot.many or len(values) > 1):
        return values
    if not values:
        return [] if slot.found else None
    return values[0]
