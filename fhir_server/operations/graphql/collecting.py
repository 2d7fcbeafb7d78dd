"""The fields that a query asks of a value, from its selections and fragments.

https://spec.graphql.org/October2021/#CollectFields()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)

from fhir_server.errors import MalformedRequest
from fhir_server.operations.graphql.arguments import arguments
from fhir_server.operations.graphql.document import Query
from fhir_server.operations.graphql.fields import Fields


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects for one query; values are told by the names of their types."""

    query: Query
    fields: Fields

    def collected(
        self, type_: str, selections: Iterable[SelectionSetNode]
    ) -> dict[str, list[FieldNode]]:
        """The fields that are asked of a value of the type, by their names in the answer."""
        found: dict[str, list[FieldNode]] = {}
        for one in selections:
            self._collect(type_, one.selections, found)
        return found

    def _collect(
        self, type_: str, selections: Sequence[SelectionNode], found: dict[str, list[FieldNode]]
    ) -> None:
        for one in selections:
            if not self._wanted(one):
                continue
            if isinstance(one, FieldNode):
                name = one.alias.value if one.alias else one.name.value
                found.setdefault(name, []).append(one)
                continue
            fragment: InlineFragmentNode | Any = one
            if isinstance(one, FragmentSpreadNode):
                fragment = self.query.fragments[one.name.value]
            about = fragment.type_condition
            if about is None or self.fields.is_a(type_, self.fields.named(about.name.value)):
                self._collect(type_, fragment.selection_set.selections, found)

    def _wanted(self, one: SelectionNode) -> bool:
        for directive in getattr(one, "directives", None) or ():
            name = directive.name.value
            if name in ("skip", "include"):
                value = arguments(directive, self.query.variables).get("if")
                if not isinstance(value, bool):
                    raise MalformedRequest(f"@{name}(if: ...) needs true or false")
                if value is (name == "skip"):
                    return False
        return True

    def parted(self, type_: str, nodes: list[FieldNode]) -> Sequence[list[FieldNode]]:
        """The nodes of one name; `resource(type: ...)` may stand beside another type's."""
        if type_ != "Reference" or nodes[0].name.value != "resource":
            return [nodes]
        parts: list[list[FieldNode]] = []
        for one in nodes:
            given = arguments(one, self.query.variables)
            same = [part for part in parts if arguments(part[0], self.query.variables) == given]
            if same:
                same[0].append(one)
            else:
                parts.append([one])
        return parts

    def agree(self, name: str, nodes: Sequence[FieldNode], given: Mapping[str, Any]) -> None:
        """Raise where one name in the answer would mean two things."""
        for other in nodes[1:]:
            if (
                other.name.value != nodes[0].name.value
                or arguments(other, self.query.variables) != given
                or directives(other) != directives(nodes[0])
            ):
                raise MalformedRequest(f"'{name}' is asked for in two ways; give one an alias")


def slice_path(node: FieldNode, variables: Mapping[str, Any]) -> str | None:
    """The `path` of its `@slice`; None where it has none."""
    for directive in node.directives or ():
        if directive.name.value == "slice":
            return str(arguments(directive, variables).get("path", ""))
    return None


def directives(node: FieldNode) -> set[str]:
    """The names of its directives that say how it is written."""
    return {directive.name.value for directive in node.directives or ()} - {"skip", "include"}
