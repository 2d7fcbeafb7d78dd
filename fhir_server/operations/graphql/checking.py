"""A query held against FHIR's types before anything is read, and how large it is.

https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphql import (
    DirectiveNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionSetNode,
    StringValueNode,
)

from fhir_server.operations.graphql.arguments import CURSORS, NAVIGATION
from fhir_server.operations.graphql.document import Query, Refused
from fhir_server.operations.graphql.fields import ROOT, Field, Fields

MAX_DEPTH = 25
"""Fields within fields."""

MAX_FIELDS = 3_000
"""Fields of a query, those of a fragment once for each place that it is used in."""

DIRECTIVES: dict[str, tuple[str, ...]] = {
    "skip": ("if",),
    "include": ("if",),
    "flatten": (),
    "first": (),
    "singleton": (),
    "slice": ("path",),
}
"""What is known after an @, with its arguments, all of them required."""

_NO_INTROSPECTION = (
    "Introspection is not supported; the CapabilityStatement says which types and search "
    "parameters there are"
)


def check(query: Query, type_: str, fields: Fields) -> frozenset[int]:
    """Raise Refused with every field, argument, fragment and directive that cannot be.

    What comes back are the ids of the field nodes below which resources are read.
    """
    checker = _Checker(query.fragments, fields)
    checker.selections(type_, query.selections, 1)
    if checker.errors:
        raise Refused(checker.errors)
    return frozenset(checker.loading)


@dataclass(slots=True)
class _Checker:
    fragments: Mapping[str, FragmentDefinitionNode]
    fields: Fields
    errors: list[GraphQLError] = field(default_factory=list)
    loading: set[int] = field(default_factory=set)
    count: int = 0

    def selections(self, type_: str, selections: SelectionSetNode, depth: int) -> bool:
        """Check a selection set; whether it reads resources."""
        if depth > MAX_DEPTH:
            raise Refused(
                [GraphQLError(f"The query is deeper than {MAX_DEPTH} fields", selections)]
            )
        loads = False
        for node in selections.selections:
            self._directives(node.directives or ())
            if isinstance(node, FieldNode):
                loads |= self._field(type_, node, depth)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                about = self.fields.named(condition.name.value) if condition else type_
                loads |= self._fragment(type_, about, node, depth)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                about = self.fields.named(fragment.type_condition.name.value)
                loads |= self._fragment(type_, about, fragment, depth)
        return loads

    def _fragment(
        self, type_: str, about: str, node: InlineFragmentNode | FragmentDefinitionNode, depth: int
    ) -> bool:
        self._counted(node)
        if not self.fields.known(about):
            self.errors.append(GraphQLError(f"There is no type {about[:80]}", node))
            return False
        if not (self.fields.is_a(type_, about) or self.fields.is_a(about, type_)):
            self.errors.append(GraphQLError(f"A {type_} is never a {about}", node))
            return False
        narrowed = about if self.fields.is_a(about, type_) else type_
        return self.selections(narrowed, node.selection_set, depth)

    def _field(self, type_: str, node: FieldNode, depth: int) -> bool:
        self._counted(node)
        name = node.name.value
        found = self.fields.find(type_, name)
        if found is None and type_ == "Resource":
            return self._of_some_type(node, depth)
        if found is None:
            text = f"{type_} has no field '{name[:80]}'{self.fields.nearest(type_, name)}"
            if name in ("__schema", "__type"):
                text = _NO_INTROSPECTION
            self.errors.append(GraphQLError(text, node))
            return False
        return self._found(type_, node, found, depth)

    def _of_some_type(self, node: FieldNode, depth: int) -> bool:
        """A field of a resource of any type: it must be right for one of them."""
        candidates = self.fields.anywhere(node.name.value)
        if not candidates:
            self._refuse(node, "is no field of any resource")
        known, refusals = self.errors, []
        for candidate in candidates:
            self.errors = []
            loads = self._found("Resource", node, candidate, depth)
            refusals.append(self.errors)
            self.errors = known
            if not refusals[-1]:
                return loads
        self.errors += refusals[0] if refusals else []
        return False

    def _found(self, type_: str, node: FieldNode, found: Field, depth: int) -> bool:
        name = node.name.value
        self._arguments(type_, node, found)
        if found.type and node.selection_set is None:
            text = f"{name} is an object; say which of its fields you want: {name} {{ ... }}"
            self.errors.append(GraphQLError(text, node))
        elif not found.type and node.selection_set is not None:
            self.errors.append(GraphQLError(f"{name} is a plain value without fields", node))
        elif node.selection_set is not None:
            about = self._target(node) if found.kind == "resolve" else found.type
            below = self.selections(about, node.selection_set, depth + 1)
            if below:
                self.loading.add(id(node))
            return below or found.kind in ("resolve", "read", "list", "connection")
        return False

    def _arguments(self, type_: str, node: FieldNode, found: Field) -> None:
        names = [argument.name.value for argument in node.arguments or ()]
        match found.kind:
            case "list" | "connection":
                if type_ != ROOT and "_reference" not in names:
                    self._refuse(node, "needs _reference: the parameter that points here")
                if type_ != ROOT and not set(CURSORS).isdisjoint(names):
                    self._refuse(node, "goes on by its cursor at the root of a query of its own")
                return
            case "read":
                if names not in (["id"], ["_id"]):
                    self._refuse(node, f"takes id and nothing else: {found.type}(id: ...)")
                return
            case "resolve":
                allowed: tuple[str, ...] = ("optional", "type")
            case "element" if found.type:
                allowed = NAVIGATION
            case _:
                allowed = ()
        for name in names:
            if name in allowed:
                continue
            child = self.fields.find(found.type, name) if allowed is NAVIGATION else None
            if child is None or child.kind != "element" or child.type:
                self._refuse(node, f"has no argument '{name[:80]}'")

    def _target(self, node: FieldNode) -> str:
        """The type that `resource(type: ...)` says, `Resource` where it says none or several."""
        for argument in node.arguments or ():
            value = argument.value
            if argument.name.value == "type" and isinstance(value, EnumValueNode | StringValueNode):
                if self.fields.is_resource(value.value):
                    return value.value
                self._refuse(node, f"cannot be of type {value.value[:80]}: there is none")
        return "Resource"

    def _refuse(self, node: FieldNode, text: str) -> None:
        self.errors.append(GraphQLError(f"{node.name.value} {text}", node))

    def _directives(self, nodes: Sequence[DirectiveNode]) -> None:
        for node in nodes:
            name = node.name.value
            names = tuple(argument.name.value for argument in node.arguments or ())
            if name not in DIRECTIVES:
                known = ", ".join(f"@{one}" for one in DIRECTIVES)
                self.errors.append(GraphQLError(f"There is no @{name[:80]}; use {known}", node))
            elif names != DIRECTIVES[name]:
                takes = " and ".join(DIRECTIVES[name]) or "no argument"
                self.errors.append(GraphQLError(f"@{name} takes {takes}", node))
        names = tuple(node.name.value for node in nodes)
        if "first" in names and "slice" in names:
            self.errors.append(GraphQLError("@first and @slice exclude each other", nodes[0]))

    def _counted(self, node: FieldNode | InlineFragmentNode | FragmentDefinitionNode) -> None:
        self.count += 1
        if self.count > MAX_FIELDS:
            text = f"The query has more than {MAX_FIELDS:,} fields, fragments written out"
            raise Refused([GraphQLError(text, node)])
