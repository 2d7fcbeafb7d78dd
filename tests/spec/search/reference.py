"""A search as the specification says it, over plain resources: slow, and nothing but the text.

It shares no code with `fhir_server.search`. Values are found by FHIRPath from the definitions of
the search parameters. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions, SearchParameter
from tests.spec.search import reference_values as values
from tests.spec.search.reference_values import Refused

Resource = dict[str, Any]
Node = tuple[str, Any]

LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?")
_EMPTY = {"id", "extension", "modifierExtension"}


class Reference:
    """All resources of a server, and which of them a search finds."""

    def __init__(
        self, definitions: Definitions, resources: Iterable[Resource], base: str, now: int
    ) -> None:
        self.definitions, self.base, self.now = definitions, base, now
        self.resources: dict[str, dict[str, Resource]] = {}
        for resource in resources:
            self.resources.setdefault(resource["resourceType"], {})[resource["id"]] = resource
        self.by_url = {one.url: one for one in definitions.search_parameters}
        self._nodes: dict[tuple[str, str], dict[str, list[Node]]] = {}
        self.parameter = cache(self._parameter)

    def search(self, type_: str, pairs: Sequence[tuple[str, str]]) -> set[str]:
        """The ids of those of the type that meet all pairs. Raises Refused."""
        found = set(self.resources.get(type_, ()))
        for name, value in pairs:
            found &= self.condition(type_, name, value)
        return found

    def condition(self, type_: str, name: str, value: str) -> set[str]:
        """The ids of those that meet `name=value`."""
        if name.startswith("_has:"):
            _, source, code, rest = name.split(":", 3)
            matches = self.condition(source, rest, value)
            return {
                id_
                for other in matches
                for target, id_ in self.pointed(source, other, code)
                if target == type_ and id_ in self.resources.get(type_, ())
            }
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            types = (modifier,) if modifier else self._targets(type_, code)
            matching = {
                target: self.condition(target, rest, value)
                for target in types
                if target in self.resources
                and (
                    rest.startswith("_has:")
                    or self.parameter(target, re.split("[:.]", rest)[0]) is not None
                )
            }
            return {
                id_
                for id_ in self.resources[type_]
                if any(
                    place in matching.get(target, ())
                    for target, place in self.pointed(type_, id_, code)
                )
            }
        parameter = self.parameter(type_, code)
        assert parameter is not None, (type_, code)
        nodes = self.nodes(type_, code)
        if modifier == "missing":
            return {id_ for id_, found in nodes.items() if bool(found) == (value == "false")}
        alternatives = [part for part in re.split(r"(?<!\\)(?:\\\\)*,", value) if part]
        if "\\" in value:
            alternatives = _split(value)
        test = self.test(parameter, type_, "" if modifier == "not" else modifier)
        for one in alternatives:  # a value that is none is refused even if nothing is stored
            test(("string", "a") if parameter.type == "string" else ("none", {}), one)
        matches = {
            id_
            for id_, found in nodes.items()
            if any(test(node, one) for node in found for one in alternatives)
        }
        return set(nodes) - matches if modifier == "not" else matches

    def test(
        self, parameter: SearchParameter, type_: str, modifier: str
    ) -> Callable[[Node, str], bool]:
        """Whether a node meets a value of the parameter."""
        match parameter.type:
            case "string":
                return lambda node, wanted: values.string(*node, modifier, wanted)
            case "token":
                kinds = {kind for nodes in self.nodes(type_, parameter.code).values()
                         for kind, _ in nodes}  # fmt: skip
                caseless = kinds == {"ContactPoint"}
                return lambda node, wanted: values.token(*node, modifier, wanted, caseless)
            case "date":
                return lambda node, wanted: values.date(*node, wanted, self.now)
            case "number":
                return lambda node, wanted: node[0] != "none" and values.number(*node, wanted)
            case "quantity":
                return lambda node, wanted: values.quantity(*node, wanted)
            case "uri":
                return lambda node, wanted: (
                    node[0] != "none" and values.uri(*node, modifier, wanted)
                )
            case "reference":
                targets = self._targets(type_, parameter.code)
                return lambda node, wanted: (
                    node[0] != "none"
                    and values.reference(*node, modifier, wanted, targets, self.base)
                )
            case "composite":
                return lambda node, wanted: (
                    node[0] != "none" and self._composite(parameter, type_, node, wanted)
                )
        raise NotImplementedError(parameter.type)

    def _composite(self, parameter: SearchParameter, type_: str, node: Node, wanted: str) -> bool:
        parts = re.split(r"(?<!\\)\$", wanted)
        if len(parts) != len(parameter.components):
            raise Refused(wanted)
        found = self._parts(parameter, node)
        for component, nodes, part in zip(parameter.components, found, parts, strict=True):
            test = self.test(self.by_url[component.definition], type_, "")
            if not any(test(one, part) for one in nodes):
                return False
        return True

    def _parts(self, parameter: SearchParameter, node: Node) -> list[list[Node]]:
        """The values of each component of a composite in one element."""
        found = []
        for component in parameter.components:
            # R4 itself writes `DateTime` in code-value-date, a type that there is not
            expression = component.expression.replace("as(DateTime)", "as(dateTime)")
            found.append(_content(fhirpath.compile(expression).nodes(node[1], node[0])))
        return found

    def nodes(self, type_: str, code: str) -> dict[str, list[Node]]:
        """The values of a parameter by the id of the resource that has them."""
        known = self._nodes.get((type_, code))
        if known is None:
            parameter = self.parameter(type_, code)
            assert parameter is not None
            assert parameter.expression
            compiled = fhirpath.compile(parameter.expression)
            known = {
                id_: _content(compiled.nodes(resource, resolver=_stub))
                for id_, resource in self.resources.get(type_, {}).items()
            }
            if parameter.type == "composite":  # a value is one that has all parts
                known = {
                    id_: [node for node in nodes if all(self._parts(parameter, node))]
                    for id_, nodes in known.items()
                }
            self._nodes[type_, code] = known
        return known

    def pointed(self, type_: str, id_: str, code: str) -> list[tuple[str, str]]:
        """Type and id of what the references under a parameter lead to on this server."""
        found = []
        for kind, value in self.nodes(type_, code)[id_]:
            if kind != "Reference":
                continue
            match = LITERAL.fullmatch(values.local(value.get("reference", ""), self.base))
            if match:
                found.append((match[1], match[2]))
        return found

    def _targets(self, type_: str, code: str) -> tuple[str, ...]:
        parameter = self.parameter(type_, code)
        assert parameter is not None, (type_, code)
        return tuple(parameter.target) or self.definitions.resource_types

    def _parameter(self, type_: str, code: str) -> SearchParameter | None:
        bases = (type_, "DomainResource", "Resource")
        return next(
            (
                one
                for one in self.definitions.search_parameters
                if one.code == code and not set(bases).isdisjoint(one.base)
            ),
            None,
        )

    @cached_property
    def codes(self) -> dict[str, list[SearchParameter]]:
        """The parameters of each type that is stored."""
        found = {}
        for type_ in self.resources:
            bases = {type_, "DomainResource", "Resource"}
            found[type_] = [
                one
                for one in self.definitions.search_parameters
                if not bases.isdisjoint(one.base) and one.expression
            ]
        return found

    def order(self, type_: str, code: str, descending: bool, id_: str) -> Any:
        """The value that a resource is sorted by, None where it has none."""
        parameter = self.parameter(type_, code)
        assert parameter is not None
        found = [
            key for node in self.nodes(type_, code)[id_] for key in _sort_keys(parameter.type, node)
        ]
        if not found:
            return None
        return max(found) if descending else min(found)


def _sort_keys(kind: str, node: Node) -> list[Any]:
    type_, value = node
    match kind:
        case "date":
            return [low[0] for low, _ in values.spans(type_, value)]
        case "number":
            return [Decimal(value)]
        case "string":
            return [values.plain(text) for text in values.texts(type_, value) if text]
        case "token":
            return [
                code.lower() if type_ == "ContactPoint" or system in values.CASELESS else code
                for system, code in values.codings(type_, value)
                if code
            ]
        case "uri":
            return [value]
    raise NotImplementedError(kind)


def _split(value: str) -> list[str]:
    parts, at = [""], 0
    while at < len(value):
        if value[at] == "\\":
            parts[-1] += value[at : at + 2]
            at += 2
            continue
        if value[at] == ",":
            parts.append("")
        else:
            parts[-1] += value[at]
        at += 1
    return [part for part in parts if part]


def _content(found: Iterable[Any]) -> list[Node]:
    return [
        (type_, value)
        for type_, value, _ in found
        if value is not None and not (isinstance(value, dict) and _EMPTY.issuperset(value))
    ]


def _stub(reference: str) -> Resource | None:
    match = LITERAL.search(reference)
    return {"resourceType": match[1], "id": match[2]} if match else None
