"""The operators `is` and `as` and the functions `is`, `as` and `ofType`, compiled.

https://hl7.org/fhirpath/N1/#types
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.fhir.fhirpath.fhir_functions import reference_type
from fhir_server.fhir.fhirpath.lambdas import with_fault
from fhir_server.fhir.fhirpath.parts import Part, View
from fhir_server.fhir.fhirpath.scope import Code, Items, Scope, single
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.statics import arity
from fhir_server.fhir.fhirpath.syntax import Call, Expression, TypeTest
from fhir_server.fhir.fhirpath.typetests import (
    Test,
    check,
    exact_test,
    is_test,
    static_types,
    type_name,
)

if TYPE_CHECKING:
    from fhir_server.fhir.fhirpath.compiler import Compiler


def type_test(
    compiler: Compiler, operator: str, operand: Expression, at: TypeTest | Call, view: View
) -> Part:
    """The operand tested by `operator`, whether `at` writes it as operator or as function."""
    if isinstance(at, TypeTest):
        name = at.type
    else:
        arity(at, 1, 1)
        name = type_name(at.arguments[0])
    check(name)
    source = compiler.compile(operand, view)
    code = source.code
    if operator == "is":
        return _is_of(compiler, operand, source, is_test(name, compiler.strict), at.position)
    test = exact_test(name, compiler.strict)
    if operator == "as" and compiler.strict:

        def as_(scope: Scope) -> Items:
            items = code(scope)
            single(items, "'as'")
            return [item for item in items if test(item)]

        return Part(with_fault(as_, at.position), static_types(name), source.ordered)
    return Part(
        lambda scope: [item for item in code(scope) if test(item)],
        static_types(name),
        source.ordered,
    )


def _is_of(
    compiler: Compiler, operand: Expression, source: Part, test: Test, position: int
) -> Part:
    code = source.code
    if isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
        # The reference itself mostly tells the type, and then nothing need be resolved.
        holder = _holder(compiler, operand.source)

        def is_reference(scope: Scope) -> Items:
            items = holder(scope) if holder else scope.this
            if len(items) == 1:
                told = reference_type(items[0])
                if told is not None:
                    return [test(Node(told, None, None, None))]
            return _is(code(scope), test)

        return Part(with_fault(is_reference, position), ("System.Boolean",))
    return Part(with_fault(lambda scope: _is(code(scope), test), position), ("System.Boolean",))


def _holder(compiler: Compiler, source: Expression | None) -> Code | None:
    return None if source is None else compiler.lenient().compile(source, View()).code


def _is(items: Items, test: Test) -> Items:
    single(items, "'is'")
    return [test(items[0])] if items else []
