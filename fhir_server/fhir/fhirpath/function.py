"""The shape of a function whose arguments are ordinary values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.fhir.fhirpath.scope import Items

SAME = ("same",)
"""`returns` of a function that gives items of its input."""


@dataclass(frozen=True, slots=True)
class Function:
    """`call(scope, input, *arguments)` with `low` to `high` arguments, each a collection.

    `returns` names the types of the result, None where it is not known beforehand; `takes` is
    `string`, `number` or nothing: what the input must be, checked before evaluation if known.
    """

    call: Callable[..., Items]
    low: int = 0
    high: int = 0
    returns: tuple[str, ...] | None = None
    takes: str = ""
