"""The R4 definitions as one compiled table: types, search parameters, operations, compartments.

`load()` reads `data/r4.json.zst`, which `build_definitions` makes from the official 4.0.1 bundles.
The rows are `msgspec` structs laid out as arrays, so that decoding the table is building it.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.resources import files

import msgspec
import zstandard

__all__ = [
    "Component",
    "Definitions",
    "Element",
    "Invariant",
    "Operation",
    "OperationParameter",
    "SearchParameter",
    "Table",
    "TypeDefinition",
    "TypeRow",
    "load",
]


class Element(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One element of a type or backbone, as the snapshot has it."""

    name: str
    """JSON name without the type suffix: `value` for `value[x]`."""
    types: tuple[str, ...]
    """Type codes; `BackboneElement` or `Element` where `content` says who holds the children."""
    min: int
    max: int | None
    """None stands for `*`."""
    choice: bool = False
    """`value[x]`: the JSON name is `name` and the capitalised type."""
    content: str | None = None
    """Name of the backbone that holds the children: its own path, or contentReference's."""
    targets: tuple[str, ...] = ()
    """Resource types that a Reference may point at; () is any."""
    binding: str | None = None
    """Value set of a required binding, without version."""
    summary: bool = False
    modifier: bool = False
    representation: str = ""
    """`xmlAttr`, `xhtml` or nothing."""

    @property
    def many(self) -> bool:
        """Whether JSON has an array here."""
        return self.max is None or self.max > 1


class Invariant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A rule on an element: `expression` is FHIRPath that must be true of it."""

    key: str
    severity: str
    human: str
    expression: str
    best_practice: bool = False


class TypeRow(msgspec.Struct, frozen=True, array_like=True):
    """How a type lies in the table; `TypeDefinition` is what the program uses."""

    name: str
    kind: str
    base: str
    abstract: bool
    description: str
    elements: tuple[Element, ...]


class TypeDefinition(msgspec.Struct, dict=True):
    """A type, or a backbone named by its path (`Patient.contact`)."""

    name: str
    kind: str
    """`resource`, `complex-type`, `primitive-type` or `backbone`."""
    base: str
    """Name of the base type; "" for Element and Resource."""
    abstract: bool
    description: str
    elements: dict[str, Element]
    """By name, in the order that XML needs, inherited ones included."""
    invariants: tuple[Invariant, ...] = ()
    """Own rules of the type itself (not the inherited ones)."""

    @cached_property
    def json(self) -> dict[str, tuple[Element, str]]:
        """JSON property -> (element, type code), every variant of a choice spelled out."""
        table: dict[str, tuple[Element, str]] = {}
        for element in self.elements.values():
            for code in element.types:
                suffix = code[:1].upper() + code[1:] if element.choice else ""
                table[element.name + suffix] = (element, code)
        return table


class Component(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of a composite search parameter."""

    definition: str
    """Canonical url of the part's own parameter."""
    expression: str


class SearchParameter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    code: str
    url: str
    name: str
    type: str
    base: tuple[str, ...]
    expression: str | None
    xpath_usage: str = "normal"
    target: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    comparator: tuple[str, ...] = ()
    modifier: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    multiple_or: bool = True
    multiple_and: bool = True
    description: str = ""


class OperationParameter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    name: str
    use: str
    """`in` or `out`."""
    min: int
    max: int | None
    type: str | None
    search_type: str | None = None
    description: str = ""
    parts: tuple[OperationParameter, ...] = ()


class Operation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: str
    code: str
    name: str
    url: str
    affects_state: bool
    """False throughout: R4's own definitions leave it out, so the handlers must know."""
    system: bool
    type: bool
    instance: bool
    resource: tuple[str, ...]
    parameters: tuple[OperationParameter, ...]
    description: str = ""


class Table(msgspec.Struct, frozen=True):
    """The file `r4.json.zst` as a whole."""

    version: str
    types: tuple[TypeRow, ...]
    search_parameters: tuple[SearchParameter, ...]
    operations: tuple[Operation, ...]
    compartments: dict[str, dict[str, tuple[str, ...]]]
    invariants: dict[str, tuple[Invariant, ...]]
    value_sets: dict[str, dict[str, list[str]] | None]


class Definitions:
    """All of R4 that the server works from.

    `types` holds backbones too, by path. `invariants` are by element path: `Patient.contact`, and
    a type's own by its name. `compartments` maps code -> type -> parameter codes (never empty;
    `{def}` stands for the compartment's own resource).
    """

    def __init__(self, table: Table) -> None:
        self.version = table.version
        self.invariants = table.invariants
        self.types: dict[str, TypeDefinition] = {
            row.name: TypeDefinition(
                row.name,
                row.kind,
                row.base,
                row.abstract,
                row.description,
                {element.name: element for element in row.elements},
                table.invariants.get(row.name, ()),
            )
            for row in table.types
        }
        self.resource_types: tuple[str, ...] = tuple(
            sorted(t.name for t in self.types.values() if t.kind == "resource" and not t.abstract)
        )
        self._resources = frozenset(self.resource_types)
        self.search_parameters = table.search_parameters
        self.operations = table.operations
        self.compartments = table.compartments
        self._value_sets = table.value_sets
        self._codes: dict[str, frozenset[str] | None] = {}

    def codings(self, value_set: str) -> dict[str, list[str]] | None:
        """System -> codes of a required value set; None where it is open or not in the table."""
        return self._value_sets.get(value_set)

    def codes(self, value_set: str) -> frozenset[str] | None:
        """Codes of a required value set; None where it is open (mime types, UCUM) or unknown."""
        if value_set not in self._codes:
            codings = self._value_sets.get(value_set)
            self._codes[value_set] = (
                None if codings is None else frozenset().union(*codings.values())
            )
        return self._codes[value_set]

    def is_resource(self, name: str) -> bool:
        """Whether `name` is one of the concrete resource types."""
        return name in self._resources

    def is_a(self, name: str, ancestor: str) -> bool:
        """Whether a type is `ancestor` or derives from it; unknown names derive from nothing."""
        while name:
            if name == ancestor:
                return True
            known = self.types.get(name)
            name = known.base if known else ""
        return False


@cache
def load() -> Definitions:
    """The definitions of R4 4.0.1, read once per process."""
    packed = files("fhir_server.fhir").joinpath("data/r4.json.zst").read_bytes()
    return Definitions(msgspec.json.decode(zstandard.decompress(packed), type=Table))
