"""The syntax tree of a FHIRPath expression (https://hl7.org/fhirpath/N1/grammar.html)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text; `{}` is the literal with no value (None)."""

    value: Any
    position: int


@dataclass(frozen=True, slots=True)
class Special:
    """`this`, `index` or `total`."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    """An element of `source`, or of the context where `source` is None."""

    source: Expression | None
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function on `source`, or on the context where `source` is None.

    `orders` has `asc`, `desc` or `-` (an older form of `desc`) for each argument of `sort`.
    """

    source: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    position: int
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Indexer:
    source: Expression
    index: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression
    position: int


@dataclass(frozen=True, slots=True)
class TypeName:
    """`Quantity`, `FHIR.Quantity`, `System.String`; `namespace` is "" where the text has none."""

    namespace: str
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is type` or `operand as type`."""

    operator: str
    operand: Expression
    type: TypeName
    position: int


Expression = Literal | Special | Variable | Member | Call | Indexer | Unary | Binary | TypeTest
