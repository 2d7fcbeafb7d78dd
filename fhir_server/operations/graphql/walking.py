"""A query carried out: its fields looked up in resources, depth first, in the query's order.

A field that fails is null and told among the errors; what exceeds the query's bounds ends it.
https://spec.graphql.org/October2021/#sec-Executing-Selection-Sets
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError, SelectionSetNode

from fhir_server.errors import FhirError, MalformedRequest, TooCostly
from fhir_server.fhir import fhirpath
from fhir_server.fhir.outcome import outcome
from fhir_server.operations.graphql.arguments import arguments, as_text
from fhir_server.operations.graphql.collating import Output
from fhir_server.operations.graphql.collecting import Collector, directives, slice_path
from fhir_server.operations.graphql.document import Query
from fhir_server.operations.graphql.fields import EDGE, Field
from fhir_server.operations.graphql.resolving import Node, Path, Resolver, Unresolved


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
    collector: Collector
    resolver: Resolver
    loading: frozenset[int]
    errors: list[GraphQLError] = field(default_factory=list)

    async def walk(self, root: Node) -> dict[str, Any]:
        """The data of the answer. Raises TooCostly."""
        return (await self._object(root, (self.query.selections,), _Way())).plain()

    async def _object(
        self, node: Node, selections: Sequence[SelectionSetNode], way: _Way
    ) -> Output:
        out = Output()
        for name, nodes in self.collector.collected(node.type, selections).items():
            try:
                for same in self.collector.parted(node.type, nodes):
                    await self._field(node, name, same, way, out)
            except TooCostly:
                raise
            except Unresolved as error:
                error.place = error.place or (nodes[0], (*way.path, name))
                raise
            except FhirError as error:
                self._failed(error, nodes[0], (*way.path, name))
                if not directives(nodes[0]) & {"flatten"}:
                    out.fail(name)
        return out

    async def _field(
        self, node: Node, name: str, nodes: list[FieldNode], way: _Way, out: Output
    ) -> None:
        first = nodes[0]
        given = arguments(first, self.query.variables)
        self.collector.agree(name, nodes, given)
        found = self.resolver.fields.find(node.type, first.name.value)
        if found is None:  # of a fragment on a base type: the check let it pass for another type
            raise MalformedRequest(f"{node.type} has no field '{first.name.value}'")
        items = await self.resolver.items(node, found, first.name.value, given)
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
        asked = directives(nodes[0])
        first, flat = "first" in asked, "flatten" in asked
        single, path = "singleton" in asked, slice_path(nodes[0], self.query.variables)
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
        if not loads or len(items) < 2 or self.resolver.loader.request.session is not None:
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


def _part(path: str, item: Node, index: int) -> str:
    """What a slice is named by: the index, or the first value of a FHIRPath expression."""
    if path == "$index":
        return str(index)
    try:
        found = fhirpath.compile(path).evaluate(item.value, type_=item.type or None)
    except fhirpath.FhirPathError as error:
        raise MalformedRequest(f"@slice(path:): {error}") from None
    return as_text(found[0]) if found else ""
