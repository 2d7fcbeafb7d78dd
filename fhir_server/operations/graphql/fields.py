"""What every type has in GraphQL: FHIR's elements, and what GraphQL over FHIR adds to them.

Types are FHIR's own and the backbones by their paths; beside them there are `Query` (the root of a
system-wide query) and, for a search of a type with pages, `PatientConnection` and `PatientEdge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from fhir_server.fhir.definitions import Definitions

ROOT = "Query"
CONNECTION = "Connection"
EDGE = "Edge"

Kind = Literal["element", "extras", "typename", "type", "resolve", "read", "list", "connection"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `element` is a JSON property, `extras` the id and extensions of a primitive.

    `type` is what its values are; empty for scalars, whose type is the `code`.
    """

    kind: Kind
    type: str = ""
    code: str = ""
    many: bool = False
    choice: bool = False


def type_name(type_: str) -> str:
    """A type's name in GraphQL, which has no dots: `PatientContact`."""
    return "".join(part[:1].upper() + part[1:] for part in type_.split("."))


class Fields:
    """The fields of all types."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._backbones = {type_name(path): path for path in definitions.types if "." in path}

    def find(self, type_: str, name: str) -> Field | None:
        """The field of a type; None where it has none of this name."""
        if name == "__typename":
            return Field("typename")
        if type_ == ROOT:
            if self._definitions.is_resource(name):
                return Field("read", name)
            return self._search(name)
        owner, of = self.searched(type_)
        if owner:
            return _PAGE.get(of, {}).get(name) or _resource(owner, of, name)
        if self.is_resource(type_):
            if name == "resourceType":
                return Field("type")
            searched = self._search(name)
            if searched is not None:
                return searched
        if type_ == "Reference" and name == "resource":
            return Field("resolve", "Resource")
        return self._element(type_, name)

    def anywhere(self, name: str) -> Sequence[Field]:
        """The different fields of this name that resources have, whatever their types."""
        found = (self.find(type_, name) for type_ in self._definitions.resource_types)
        return list(dict.fromkeys(one for one in found if one is not None))

    def named(self, name: str) -> str:
        """The type that a fragment's condition means: `PatientContact` is `Patient.contact`."""
        return self._backbones.get(name, name)

    def nearest(self, type_: str, name: str) -> str:
        """`; did you mean x?`, or nothing where no field's name is near."""
        if type_ == ROOT:
            known = list(self._definitions.resource_types)
            known += [f"{one}List" for one in known]
        else:
            definition = self._definitions.types.get(type_)
            known = list(definition.json) if definition else []
        near = get_close_matches(name, known, 1)
        return f"; did you mean {near[0]}?" if near else ""

    def is_resource(self, type_: str) -> bool:
        """Whether values of the type are resources."""
        return type_ in ("Resource", "DomainResource") or self._definitions.is_resource(type_)

    def is_a(self, type_: str, ancestor: str) -> bool:
        """Whether a value of `type_` meets the type condition of a fragment."""
        return type_ == ancestor or self._definitions.is_a(type_, ancestor)

    def known(self, type_: str) -> bool:
        """Whether a fragment can be about the type."""
        return type_ == ROOT or type_ in self._definitions.types or bool(self.searched(type_)[0])

    def searched(self, type_: str) -> tuple[str, str]:
        """(`Patient`, `Connection` or `Edge`) of a page's type; two empty texts for others."""
        for suffix in (CONNECTION, EDGE):
            owner = type_.removesuffix(suffix)
            if owner != type_ and self._definitions.is_resource(owner):
                return owner, suffix
        return "", ""

    def _search(self, name: str) -> Field | None:
        owner = name.removesuffix("List")
        if owner != name and self._definitions.is_resource(owner):
            return Field("list", owner, many=True)
        if self.searched(name)[1] == CONNECTION:
            return Field("connection", name)
        return None

    def _element(self, type_: str, name: str) -> Field | None:
        definition = self._definitions.types.get(type_)
        if definition is None:
            return None
        row = definition.json.get(name)
        if row is not None:
            element, code = row
            scalar = self._is_scalar(code)
            type_of = "" if scalar else (element.content or code)
            return Field("element", type_of, code, element.many, element.choice)
        row = definition.json.get(name[1:]) if name.startswith("_") else None
        if row is not None and self._is_scalar(row[1]):
            return Field("extras", "Element", many=row[0].many)
        return None

    def _is_scalar(self, code: str) -> bool:
        definition = self._definitions.types.get(code)
        return code == "xhtml" or (definition is not None and definition.kind == "primitive-type")


_PAGE: dict[str, dict[str, Field]] = {
    CONNECTION: {
        **dict.fromkeys(
            ("count", "offset", "pagesize", "first", "previous", "next", "last"), Field("element")
        ),
    },
    EDGE: {"mode": Field("element"), "score": Field("element")},
}


def _resource(owner: str, of: str, name: str) -> Field | None:
    if of == CONNECTION and name == "edges":
        return Field("element", owner + EDGE, many=True)
    if of == EDGE and name == "resource":
        return Field("element", owner)
    return None
