"""What the compiler makes of a piece of an expression, and what it knows of its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.fhir.fhirpath.scope import Code

Types = tuple[str, ...] | None
"""Names of shapes (`Patient`, `Patient.contact`, `System.String`); None where not known."""


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled expression. `ordered` is false behind children() and descendants()."""

    code: Code
    types: Types = None
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """What is known of `$this` while compiling."""

    this: Types = None
    ordered: bool = True
