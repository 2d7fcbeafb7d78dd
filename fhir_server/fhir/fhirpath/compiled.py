"""An expression ready to run: parsed once, compiled once for each type that it meets."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any

from fhir_server.fhir.fhirpath.compiler import Compiler
from fhir_server.fhir.fhirpath.errors import ExecutionFault, SyntaxFault
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.parts import View
from fhir_server.fhir.fhirpath.scope import Code, Items, Resolver, Run, Scope, truth
from fhir_server.fhir.fhirpath.shapes import Node, root, shape
from fhir_server.fhir.fhirpath.syntax import Expression
from fhir_server.fhir.fhirpath.values import plain, system_name
from fhir_server.fhir.fhirpath.walks import Follow, Found, Walk, follower, is_path, plan


class Compiled:
    """A FHIRPath expression. Make one with `compile`; it may be kept and shared."""

    def __init__(self, expression: str, *, strict: bool, check_order: bool) -> None:
        self.expression = expression
        self.tree: Expression = parse(expression)
        self._strict = strict
        self._check_order = check_order
        self._codes: dict[str, Code] = {}
        self._walks: dict[str, tuple[Walk, ...] | None] = {}
        self._follow: dict[str, tuple[Follow, ...] | None] = {}
        self._path = is_path(self.tree)

    def evaluate(
        self,
        resource: Any,
        variables: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
        type_: str | None = None,
    ) -> list[Any]:
        """Plain JSON values of what the expression finds.

        `resource` is a resource, or with `type_` an element of that type (`Patient.contact`).
        `variables` are by name without `%`; `resource` and `rootResource` may be among them.
        `resolver` gets a reference's text and gives the resource or None. FhirPathError.
        """
        if self._path:
            name = type_ or _type_of(resource)
            if self._strict and name not in self._codes and shape(name).known:
                self._codes[name] = self._compile(name)  # refuses what the type does not have
            follow = self._followers(name)
            if follow is not None:
                return [
                    extra if value is None else value for _, value, extra in _all(follow, resource)
                ]
        return [plain(item) for item in self.items(resource, variables, resolver, type_)]

    def nodes(
        self, resource: Any, type_: str | None = None, resolver: Resolver | None = None
    ) -> list[Found]:
        """The same as typed values, for the search index: `[("HumanName", {...}, None), ...]`.

        Values that the expression computes have FHIR's name too: `("boolean", True, None)`. A value
        that two sides of a union find may come twice.
        """
        follow = self._followers(type_ or _type_of(resource))
        if follow is not None:
            return _all(follow, resource)
        return [_found(item) for item in self.items(resource, None, resolver, type_)]

    def __call__(self, resource: Any, type_: str | None = None) -> list[Found]:
        return self.nodes(resource, type_)

    def walks(self, type_: str) -> tuple[Walk, ...] | None:
        """The expression on a type as plain walks over JSON properties; None where it is more."""
        try:
            return self._walks[type_]
        except KeyError:
            as_they_are = not self._strict or self._path
            walks = self._walks[type_] = plan(self.tree, type_) if as_they_are else None
            return walks

    def _followers(self, type_: str) -> tuple[Follow, ...] | None:
        try:
            return self._follow[type_]
        except KeyError:
            walks = self.walks(type_)
            found = None if walks is None else tuple(follower(walk) for walk in walks)
            self._follow[type_] = found
            return found

    def check(
        self,
        context: Any,
        resource: Any = None,
        root_resource: Any = None,
        type_: str | None = None,
        resolver: Resolver | None = None,
    ) -> bool:
        """Whether an invariant holds for an element: its result is true, or empty.

        `context` is the element's JSON or a `Node`, `type_` its type; `resource` holds it (default:
        the context itself) and `root_resource` holds a contained resource.
        """
        node = context if type(context) is Node else root(context, type_)
        holder = node if resource is None else root(resource)
        outer = holder if root_resource is None else root(root_resource)
        run = Run([node], holder, outer, {}, resolver)
        return truth(self._run(node, run)) is not False

    def items(
        self,
        resource: Any,
        variables: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
        type_: str | None = None,
    ) -> Items:
        """What the expression finds, as the engine's own values and nodes."""
        node = resource if type(resource) is Node else root(resource, type_)
        if not variables:
            return self._run(
                node, Run([] if resource is None else [node], node, node, {}, resolver)
            )
        given = {name: _given(value) for name, value in variables.items()}
        holder = _first_node(given.pop("resource", None)) or node
        outer = _first_node(given.pop("rootResource", None)) or holder
        context = [] if resource is None else [node]
        return self._run(node, Run(context, holder, outer, given, resolver))

    def _run(self, node: Node, run: Run) -> Items:
        name = node.shape.name
        code = self._codes.get(name)
        try:
            if code is None:
                code = self._codes[name] = self._compile(name)
            return code(Scope(run, run.context))
        except RecursionError:
            raise ExecutionFault("the expression or the resource is nested too deep") from None
        except (DecimalException, OverflowError):
            raise ExecutionFault("a number is too large to compute with") from None

    def _compile(self, name: str) -> Code:
        types = None if shape(name).dynamic or not shape(name).known else (name,)
        compiler = Compiler(types, strict=self._strict, check_order=self._check_order)
        return compiler.compile(self.tree, View(types)).code


@lru_cache(maxsize=4096)
def _cached(expression: str, strict: bool, check_order: bool) -> Compiled:
    return Compiled(expression, strict=strict, check_order=check_order)


def compile(expression: str, *, strict: bool = False, check_order: bool = False) -> Compiled:
    """The expression ready to run, from a cache. SyntaxFault where it is none.

    Not strict (search parameters, invariants): what the type cannot have is empty, and `as` takes
    several items. Strict: it is a SemanticFault. `check_order` (a strict reader's choice) refuses
    `first()`, `skip()` and the like on children() too.
    """
    if not isinstance(expression, str):
        raise SyntaxFault("an expression is a text")
    return _cached(expression, strict, check_order)


def evaluate(
    expression: str, resource: Any, variables: Mapping[str, Any] | None = None
) -> list[Any]:
    """Plain JSON values of what an expression finds in a resource, read strictly.

    Dates are text, quantities `{"value", "unit", "system", "code"}`. FhirPathError (400) for text
    that is no expression, for elements that the type does not have, for `first()` and the like on
    children(), which have no order, and for values that do not fit.
    """
    return compile(expression, strict=True, check_order=True).evaluate(resource, variables)


_FHIR_NAMES = {"DateTime": "dateTime", "Quantity": "Quantity", "TypeInfo": "TypeInfo"}


def _type_of(resource: Any) -> str:
    name = resource.get("resourceType") if type(resource) is dict else None
    return name if isinstance(name, str) else ""


def _all(follow: tuple[Follow, ...], resource: Any) -> list[Found]:
    found: list[Found] = []
    for run in follow:
        run(resource, resource, found)
    return found


def _found(item: Any) -> Found:
    if type(item) is Node:
        return item.shape.name, item.value, item.extra
    name = system_name(item)
    return _FHIR_NAMES.get(name, name.lower()), plain(item), None


def _given(value: Any) -> Any:
    if isinstance(value, list):
        return [_given(each) for each in value]
    if isinstance(value, dict):
        return root(value)
    return Decimal(repr(value)) if isinstance(value, float) else value


def _first_node(value: Any) -> Node | None:
    if isinstance(value, list):
        value = value[0] if value else None
    return value if type(value) is Node else None
