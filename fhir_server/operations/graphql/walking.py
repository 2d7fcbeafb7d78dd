"""A query carried out: its fields looked up in resources, depth first, in the query's order.

A field that fails is null and told among the errors; what exceeds the query's bounds ends it.
https://spec.graphql.org/October2021/#sec-Executing-Selection-Sets
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)

from fhir_server.errors import FhirError, MalformedRequest, TooCostly, Unprocessable
from fhir_server.fhir import fhirpath
from fhir_server.fhir.outcome import outcome
from fhir_server.operations.graphql.arguments import arguments, as_text, navigated
from fhir_server.operations.graphql.collating import Output
from fhir_server.operations.graphql.document import Query
from fhir_server.operations.graphql.fields import EDGE, ROOT, Field, Fields, type_name
from fhir_server.operations.graphql.loading import Found, Loader

Path = tuple[str | int, ...]


class Unresolved(Unprocessable):
    """A reference that leads nowhere and is not optional: there is no answer but this error."""

    place: tuple[FieldNode, Path] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its type; `holder` is the resource around it, where contained ones lie."""

    type: str
    value: Any
    holder: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Way:
    """How an object is written: within flattened lists, under a slice's name, at a place."""

    listed: bool = False
    suffix: str = ""
    path: Path = ()


@dataclass(slots=True)
class Walker:
    """Carries out one query; `loading` are the field nodes below which resources are read."""

    query: Query
    fields: Fields
    loader: Loader
    loading: frozenset[int]
    errors: list[GraphQLError] = field(default_factory=list)

    async def walk(self, root: Node) -> dict[str, Any]:
        """The data of the answer. Raises TooCostly."""
        return (await self._object(root, (self.query.selections,), _Way())).plain()

    async def _object(
        self, node: Node, selections: Sequence[SelectionSetNode], way: _Way
    ) -> Output:
        out = Output()
        collected: dict[str, list[FieldNode]] = {}
        for one in selections:
            self._collect(node, one.selections, collected)
        for name, nodes in collected.items():
            try:
                for same in self._parted(node, nodes):
                    await self._field(node, name, same, way, out)
            except TooCostly:
                raise
            except Unresolved as error:
                error.place = error.place or (nodes[0], (*way.path, name))
                raise
            except FhirError as error:
                self._failed(error, nodes[0], (*way.path, name))
                if not _directives(nodes[0]) & {"flatten"}:
                    out.fail(name)
        return out

    def _collect(
        self, node: Node, selections: Sequence[SelectionNode], found: dict[str, list[FieldNode]]
    ) -> None:
        """The fields that are asked of a value, by their names in the answer."""
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
            if about is None or self.fields.is_a(node.type, self.fields.named(about.name.value)):
                self._collect(node, fragment.selection_set.selections, found)

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

    def _parted(self, node: Node, nodes: list[FieldNode]) -> Sequence[list[FieldNode]]:
        """The nodes of one name; `resource(type: ...)` may stand beside another type's."""
        if node.type != "Reference" or nodes[0].name.value != "resource":
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

    async def _field(
        self, node: Node, name: str, nodes: list[FieldNode], way: _Way, out: Output
    ) -> None:
        first = nodes[0]
        given = arguments(first, self.query.variables)
        self._agree(name, nodes, given)
        found = self.fields.find(node.type, first.name.value)
        if found is None:  # of a fragment on a base type: the check let it pass for another type
            raise MalformedRequest(f"{node.type} has no field '{first.name.value}'")
        items = await self._items(node, found, first.name.value, given)
        await self._write(items, found, name, nodes, way, out)

    async def _write(
        self,
        items: Sequence[Node],
        found: Field,
        name: str,
        nodes: list[FieldNode],
        way: _Way,
        out: Output,
    ) -> None:
        directives = _directives(nodes[0])
        first, flat = "first" in directives, "flatten" in directives
        single, path = "singleton" in directives, self._slice(nodes[0])
        if first:
            items = items[:1]
        many = (found.many and not first) or way.listed
        if not flat and path is None:
            searched = many and (found.kind == "list" or found.type.endswith(EDGE))
            code = found.type or found.code
            out.slot(name + way.suffix, code, many=many, single=single, found=searched)
        suffixes = [
            way.suffix if path is None else f"{way.suffix}.{_part(path, item, index)}"
            for index, item in enumerate(items)
        ]
        if not found.type:
            for item, suffix in zip(items, suffixes, strict=True):
                slot = out.slot(name + suffix, found.code, many=many, single=single)
                slot.values.append(item.value)
            return
        below = [node.selection_set for node in nodes if node.selection_set is not None]
        inner = [
            _Way(flat and (many or way.listed), suffix if path is not None or flat else "", place)
            for suffix, place in zip(
                suffixes, self._places(items, name, found.many, way), strict=True
            )
        ]
        objects = await self._objects(items, below, inner, id(nodes[0]) in self.loading)
        for output, suffix in zip(objects, suffixes, strict=True):
            if flat:
                out.absorb(output)
            else:
                slot = out.slot(name + suffix, found.type, many=many, single=single)
                slot.values.append(output)

    async def _objects(
        self,
        items: Sequence[Node],
        below: Sequence[SelectionSetNode],
        ways: Sequence[_Way],
        loads: bool,
    ) -> list[Output]:
        if not loads or len(items) < 2 or self.loader.request.session is not None:
            return [
                await self._object(item, below, way) for item, way in zip(items, ways, strict=True)
            ]
        tasks = [
            asyncio.ensure_future(self._object(item, below, way))
            for item, way in zip(items, ways, strict=True)
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _places(self, items: Sequence[Node], name: str, many: bool, way: _Way) -> list[Path]:
        here = (*way.path, name)
        return [(*here, index) if many else here for index in range(len(items))]

    async def _items(
        self, node: Node, found: Field, name: str, given: Mapping[str, Any]
    ) -> Sequence[Node]:
        match found.kind:
            case "typename":
                return [replace(node, value=type_name(node.type))]
            case "type":
                return [replace(node, value=node.value.get("resourceType"))]
            case "read":
                id_ = given.get("id", given.get("_id"))
                resource = await self.loader.read(found.type, as_text(id_))
                return [_resource(resource)]
            case "resolve":
                return await self._resolved(node, given)
            case "list":
                page = await self._searched(node, found.type, given, paged=False)
                return [_resource(one) for one in page.resources]
            case "connection":
                owner = self.fields.searched(found.type)[0]
                page = await self._searched(node, owner, given, paged=True)
                return [Node(found.type, _connection(page), {})]
        value = node.value.get(name)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        if given:
            values = list(navigated(values, given, node.value, node.type, name))
        return [self._child(node, found, one) for one in values if one is not None]

    def _child(self, node: Node, found: Field, value: Any) -> Node:
        if self.fields.is_resource(found.type):
            if node.type.endswith(EDGE):
                return _resource(value)
            return Node(value.get("resourceType", found.type), value, node.holder)
        return Node(found.type, value, node.holder)

    async def _searched(
        self, node: Node, type_: str, given: Mapping[str, Any], *, paged: bool
    ) -> Found:
        if node.value is not node.holder:
            raise MalformedRequest("Nothing points at a resource that is contained in another one")
        pointing = f"{node.type}/{node.value['id']}" if node.type != ROOT else ""
        return await self.loader.search(type_, given, pointing, paged=paged)

    async def _resolved(self, node: Node, given: Mapping[str, Any]) -> Sequence[Node]:
        try:
            resource = await self.loader.resolve(node.value, node.holder)
        except TooCostly:
            raise
        except FhirError as error:
            if given.get("optional") in (True, "true"):
                return []
            raise Unresolved(str(error), code=error.issues[0].code) from None
        contained = str(node.value.get("reference", "")).startswith("#")
        found = _resource(resource)
        if contained:
            found = replace(found, holder=node.holder)
        wanted = given.get("type")
        types = wanted if isinstance(wanted, list) else [wanted]
        return [found] if wanted is None or found.type in types else []

    def _agree(self, name: str, nodes: Sequence[FieldNode], given: Mapping[str, Any]) -> None:
        """Raise where one name in the answer would mean two things."""
        for other in nodes[1:]:
            if (
                other.name.value != nodes[0].name.value
                or arguments(other, self.query.variables) != given
                or _directives(other) != _directives(nodes[0])
            ):
                raise MalformedRequest(f"'{name}' is asked for in two ways; give one an alias")

    def _slice(self, node: FieldNode) -> str | None:
        for directive in node.directives or ():
            if directive.name.value == "slice":
                return str(arguments(directive, self.query.variables).get("path", ""))
        return None

    def _failed(self, error: FhirError, node: FieldNode, path: Path) -> None:
        self.errors.append(located(error, node, path))


def located(error: FhirError, node: FieldNode | None, path: Path | None) -> GraphQLError:
    """The error in GraphQL's form, with its OperationOutcome as FHIR wants it."""
    return GraphQLError(
        str(error),
        node,
        path=path,
        extensions={"resource": outcome(error.issues)},
    )


def _directives(node: FieldNode) -> set[str]:
    return {directive.name.value for directive in node.directives or ()} - {"skip", "include"}


def _part(path: str, item: Node, index: int) -> str:
    """What a slice is named by: the index, or the first value of a FHIRPath expression."""
    if path == "$index":
        return str(index)
    try:
        found = fhirpath.compile(path).evaluate(item.value, type_=item.type or None)
    except fhirpath.FhirPathError as error:
        raise MalformedRequest(f"@slice(path:): {error}") from None
    return as_text(found[0]) if found else ""


def _resource(resource: dict[str, Any]) -> Node:
    return Node(resource["resourceType"], resource, resource)


def _connection(page: Found) -> dict[str, Any]:
    return {
        "count": page.total,
        "offset": page.offset,
        "pagesize": page.size,
        "edges": [{"mode": "match", "resource": one} for one in page.resources],
        **{name: page.turns.get(name) for name in ("previous", "next")},
    }
