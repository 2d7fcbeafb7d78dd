"""What a search asks of a resource, as values: plain conditions, chains and reverse chains."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.search.registry import Parameter


@dataclass(frozen=True, slots=True)
class Plain:
    """`parameter:modifier=a,b`: the comma-split values are alternatives, still escaped."""

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`reference.rest=...`: the reference points at a resource of which the rest is true.

    `targets` has one condition for each type the reference may point at and that knows the rest;
    any of them may be met.
    https://hl7.org/fhir/R4/search.html#chaining
    """

    reference: Parameter
    targets: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`_has:Type:reference:rest=...`: a resource of the type points here, and the rest is true.

    https://hl7.org/fhir/R4/search.html#has
    """

    type: str
    reference: Parameter
    condition: Condition


Condition = Plain | Chain | Has
