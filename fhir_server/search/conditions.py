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


@dataclass(frozen=True, slots=True)
class Compared:
    """`parameter operator value` of a `_filter`; the value is as written, quotes taken away."""

    parameter: Parameter
    operator: str
    value: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All of the conditions are met."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the conditions is met."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition is not met."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Listed:
    """`_list=a,b`: an item of one of these List resources.

    https://hl7.org/fhir/R4/search.html#list
    """

    lists: tuple[str, ...]


Condition = Plain | Chain | Has | Compared | Every | Either | Not | Listed
