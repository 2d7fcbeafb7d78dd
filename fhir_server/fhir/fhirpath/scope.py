"""What an expression sees while it runs, and how collections become single values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath.effort import FREE, Effort, effort
from fhir_server.fhir.fhirpath.equality import named
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.values import system

Items = list[Any]
Resolver = Callable[[str], "dict[str, Any] | None"]


@dataclass(slots=True)
class Run:
    """One evaluation: the same for all of its parts.

    `now` is read once, so that an expression sees one moment. `trace` gets the name and the items
    of each `trace()`.
    """

    context: Items
    resource: Node | None
    root: Node | None
    variables: Mapping[str, Any] = field(default_factory=dict)
    resolver: Resolver | None = None
    trace: Callable[[str, Items], None] | None = None
    now: datetime | None = None
    left: int = FREE
    effort: Effort | None = None

    def spend(self, steps: int) -> None:
        """Count steps of lambdas. Raises TooCostly for too many."""
        self.left -= steps
        if self.left < 0:
            if self.effort is None:
                self.effort = effort()
            self.left += self.effort.draw(-self.left)


class Scope:
    """`$this`, `$index`, `$total` and the variables that `defineVariable` made."""

    __slots__ = ("defined", "index", "run", "this", "total")

    def __init__(self, run: Run, this: Items, outer: Scope | None = None) -> None:
        self.run = run
        self.this = this
        self.index: int = outer.index if outer else 0
        self.total: Items = outer.total if outer else []
        self.defined: dict[str, Items] | None = outer.defined if outer else None

    def inner(self, this: Items) -> Scope:
        """A scope inside this one, with another `$this`."""
        return Scope(self.run, this, self)


Code = Callable[[Scope], Items]


def truth(items: Items) -> bool | None:
    """A collection where a boolean is asked: None when empty, true for any single other item.

    https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not items:
        return None
    if len(items) > 1:
        raise ExecutionFault(f"one boolean is asked for, not {len(items)} items")
    value = system(items[0])
    return value if value is None or isinstance(value, bool) else True


def boolean(items: Items, where: str) -> bool | None:
    """As `truth`, but ExecutionFault for an item that is no boolean."""
    value = truth(items)
    if items and not isinstance(system(items[0]), bool | None):
        raise ExecutionFault(f"{where} needs a boolean, not {named(items[0])}")
    return value


def single(items: Items, where: str) -> Any:
    """The one value of a collection, or None when empty. ExecutionFault for more than one."""
    if not items:
        return None
    if len(items) > 1:
        raise ExecutionFault(f"{where} needs one item, not {len(items)}")
    return system(items[0])


def text(items: Items, where: str) -> str | None:
    """The one string of a collection, or None when empty. ExecutionFault for anything else.

    FHIR's own dates and times count as their text.
    """
    value = single(items, where)
    if value is None or isinstance(value, str):
        return value
    if type(items[0]) is Node and isinstance(items[0].value, str):
        return items[0].value  # a date of FHIR, whose text patterns are often asked for
    raise ExecutionFault(f"{where} needs a string, not {named(items[0])}")


def integer(items: Items, where: str) -> int | None:
    """The one integer of a collection, or None when empty. ExecutionFault for anything else."""
    value = single(items, where)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ExecutionFault(f"{where} needs an integer, not {named(items[0])}")


def number(items: Items, where: str) -> int | Decimal | None:
    """The one number of a collection, or None when empty. ExecutionFault for anything else."""
    value = single(items, where)
    if value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool)):
        return value
    raise ExecutionFault(f"{where} needs a number, not {named(items[0])}")
