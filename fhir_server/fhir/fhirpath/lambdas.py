"""Functions whose arguments are expressions evaluated for each item: where, select, iif, sort...

Each builder gets the compiler, the compiled input, the call and the view, and gives the compiled
call. https://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from fhir_server.fhir.fhirpath.equality import compare, key
from fhir_server.fhir.fhirpath.errors import ExecutionFault, FhirPathError, SemanticFault
from fhir_server.fhir.fhirpath.parts import Part, Types, View
from fhir_server.fhir.fhirpath.scope import Code, Items, Scope, boolean, text, truth
from fhir_server.fhir.fhirpath.syntax import Call

if TYPE_CHECKING:
    from fhir_server.fhir.fhirpath.compiler import Compiler

_MOST = 1_000_000  # items that one repeat() may give
_RESERVED = frozenset(("context", "resource", "rootResource", "sct", "loinc", "ucum", "this"))

Builder = Callable[["Compiler", Part, Call, View], Part]
_BOOLEAN = ("System.Boolean",)


def with_fault(code: Code, position: int) -> Code:
    """The same code, whose errors tell the place in the expression."""

    def located(scope: Scope) -> Items:
        try:
            return code(scope)
        except FhirPathError as error:
            if error.position is None:
                raise type(error)(str(error), position=position) from None
            raise

    return located


def _each(compiler: Compiler, tree: Call, place: int, types: Types) -> tuple[Code, Types]:
    """An argument that is evaluated with each item as `$this`."""
    part = compiler.compile(tree.arguments[place], View(types))
    return with_fault(part.code, tree.position), part.types


def _items(code: Code, scope: Scope, argument: Code) -> Iterator[tuple[Any, Items]]:
    """Each item of the input with what the argument gives for it, as far as they are asked for."""
    items = code(scope)
    if len(items) > 1:
        scope.run.spend(len(items))
    inner, defined = scope.inner([]), scope.defined
    for index, item in enumerate(items):
        inner.this, inner.index, inner.defined = [item], index, defined
        yield item, argument(inner)


def _where(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    argument, _ = _each(compiler, tree, 0, source.types)
    code = source.code
    return Part(
        lambda scope: [i for i, found in _items(code, scope, argument) if truth(found)],
        source.types,
        source.ordered,
    )


def _exists(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    code = source.code
    if not tree.arguments:
        return Part(lambda scope: [bool(code(scope))], _BOOLEAN)
    argument, _ = _each(compiler, tree, 0, source.types)
    return Part(lambda scope: [any(truth(f) for _, f in _items(code, scope, argument))], _BOOLEAN)


def _all(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    argument, _ = _each(compiler, tree, 0, source.types)
    code = source.code
    return Part(lambda scope: [all(truth(f) for _, f in _items(code, scope, argument))], _BOOLEAN)


def _select(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    argument, types = _each(compiler, tree, 0, source.types)
    code = source.code
    return Part(
        lambda scope: [each for _, found in _items(code, scope, argument) for each in found],
        types,
        source.ordered,
    )


def _repeat(distinct: bool) -> Builder:
    def build(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
        argument, _ = _each(compiler, tree, 0, None)
        if compiler.strict:
            _each(compiler, tree, 0, source.types)  # the first step must be possible
        code = source.code

        def repeat(scope: Scope) -> Items:
            found: Items = []
            seen: set[Any] = set()
            level = code(scope)
            while level:
                fresh: Items = []
                for _, more in _items(lambda _, now=level: now, scope, argument):  # type: ignore[misc]
                    for item in more:
                        mark = key(item) if distinct else None
                        if not distinct or mark not in seen:
                            seen.add(mark)
                            fresh.append(item)
                found += fresh
                scope.run.spend(len(fresh))
                if len(found) > _MOST:
                    raise ExecutionFault(f"repeat found more than {_MOST} items")
                level = fresh
            return found

        return Part(repeat, None, source.ordered)

    return build


def _aggregate(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    argument, _ = _each(compiler, tree, 0, source.types)
    start = compiler.compile(tree.arguments[1], view).code if len(tree.arguments) > 1 else None
    code = source.code

    def aggregate(scope: Scope) -> Items:
        inner, defined = scope.inner([]), scope.defined
        inner.total = start(scope) if start else []
        for index, item in enumerate(code(scope)):
            inner.this, inner.index, inner.defined = [item], index, defined
            inner.total = argument(inner)
            scope.run.spend(1 + len(inner.total))
        return inner.total

    return Part(aggregate, None)


def _iif(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    inner_view = view if tree.source is None else View(source.types, source.ordered)
    parts = [compiler.compile(argument, inner_view) for argument in tree.arguments]
    criterion = parts[0]
    if compiler.strict and criterion.types and not {"boolean", *_BOOLEAN} & set(criterion.types):
        raise SemanticFault("iif() needs a boolean criterion", position=tree.position)
    code = source.code

    def iif(scope: Scope) -> Items:
        items = code(scope)
        if tree.source is not None and len(items) > 1:
            raise ExecutionFault(f"iif() works on one item, not on {len(items)}")
        inner = scope.inner(items)
        condition = criterion.code(inner)
        if boolean(condition, "iif()") if compiler.strict else truth(condition):
            return parts[1].code(inner)
        return parts[2].code(inner) if len(parts) > 2 else []

    known = [part.types for part in parts[1:]]
    types = None if None in known else tuple(t for each in known for t in each or ())
    return Part(with_fault(iif, tree.position), types)


def _sort(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    arguments = [
        _each(compiler, tree, place, source.types)[0] for place in range(len(tree.arguments))
    ]
    directions = tree.orders or ("asc",)
    code = source.code

    def order(one: tuple[Any, list[Items]], other: tuple[Any, list[Items]]) -> int:
        for left, right, direction in zip(one[1], other[1], directions, strict=True):
            if left and right:
                found = compare(left[0], right[0]) or 0
            else:  # no value is lower than any; the published tests have it first behind `-` too
                found = (bool(left) - bool(right)) * (-1 if direction == "-" else 1)
            if found:
                return found if direction == "asc" else -found
        return 0

    def sort(scope: Scope) -> Items:
        items = code(scope)
        if not arguments:
            rows = [(item, [[item]]) for item in items]
        else:
            columns = [list(_items(lambda _: items, scope, argument)) for argument in arguments]
            rows = [
                (item, [column[place][1] for column in columns]) for place, item in enumerate(items)
            ]
        if any(len(found) > 1 for _, keys in rows for found in keys):
            raise ExecutionFault("sort() needs keys of one value")
        return [item for item, _ in sorted(rows, key=cmp_to_key(order))]

    return Part(with_fault(sort, tree.position), source.types)


def _trace(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    name = compiler.compile(tree.arguments[0], view).code
    shown = _each(compiler, tree, 1, source.types)[0] if len(tree.arguments) > 1 else None
    code = source.code

    def trace(scope: Scope) -> Items:
        items = code(scope)
        sink = scope.run.trace
        if sink is not None:
            seen = items
            if shown is not None:
                pairs = _items(lambda _: items, scope, shown)
                seen = [each for _, found in pairs for each in found]
            sink(text(name(scope), "trace()") or "", seen)
        return items

    return Part(trace, source.types, source.ordered)


def _define(compiler: Compiler, source: Part, tree: Call, view: View) -> Part:
    name = compiler.compile(tree.arguments[0], view).code
    value = None
    if len(tree.arguments) > 1:
        value = compiler.compile(tree.arguments[1], View(source.types)).code
    code = source.code

    def define(scope: Scope) -> Items:
        items = code(scope)
        called = text(name(scope), "defineVariable()")
        taken = scope.defined or {}
        if not called or called in _RESERVED or called in taken or called in scope.run.variables:
            raise ExecutionFault(f"the variable %{called} cannot be defined: it is there already")
        scope.defined = {**taken, called: value(scope.inner(items)) if value else items}
        return items

    return Part(with_fault(define, tree.position), source.types, source.ordered)


LAMBDAS: dict[str, tuple[int, int, Builder]] = {
    "where": (1, 1, _where),
    "exists": (0, 1, _exists),
    "all": (1, 1, _all),
    "select": (1, 1, _select),
    "repeat": (1, 1, _repeat(True)),
    "repeatAll": (1, 1, _repeat(False)),
    "aggregate": (1, 2, _aggregate),
    "iif": (2, 3, _iif),
    "sort": (0, 9, _sort),
    "trace": (1, 2, _trace),
    "defineVariable": (1, 2, _define),
}
