"""What a field has in a resource: children, resources that are read, searches, references.

https://spec.graphql.org/October2021/#ResolveFieldValue()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphql import FieldNode

from fhir_server.errors import FhirError, MalformedRequest, TooCostly, Unprocessable
from fhir_server.operations.graphql.arguments import as_text, navigated
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
class Resolver:
    """Finds the values of fields, some of them by reads and searches."""

    fields: Fields
    loader: Loader

    async def items(
        self, node: Node, found: Field, name: str, given: Mapping[str, Any]
    ) -> Sequence[Node]:
        """What the field `found`, of this name and these arguments, has in the node.

        Raises Unresolved and the errors of reads and searches.
        """
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
