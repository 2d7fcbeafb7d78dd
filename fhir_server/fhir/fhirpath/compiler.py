"""Syntax tree -> Python closures, with the static types that are known on the way.

Each part becomes `code(scope) -> items` and tells the types of what it gives: names of shapes
(`Patient`, `Patient.contact`, `System.String`), or None where they are not known. In strict mode an
element, type or function that cannot be there is a SemanticFault before anything is evaluated.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from fhir_server.fhir.fhirpath.errors import SemanticFault
from fhir_server.fhir.fhirpath.function import SAME, Function
from fhir_server.fhir.fhirpath.functions import FUNCTIONS
from fhir_server.fhir.fhirpath.lambdas import LAMBDAS, with_fault
from fhir_server.fhir.fhirpath.operators import LOGIC, OPERATORS, negate
from fhir_server.fhir.fhirpath.parts import Part, Types, View
from fhir_server.fhir.fhirpath.scope import Code, Items, Scope, integer, truth
from fhir_server.fhir.fhirpath.shapes import Node, shape, walk
from fhir_server.fhir.fhirpath.statics import arity, check_input, step_types
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Indexer,
    Literal,
    Member,
    Special,
    TypeTest,
    Unary,
    Variable,
)
from fhir_server.fhir.fhirpath.type_operators import type_test
from fhir_server.fhir.fhirpath.typetests import info
from fhir_server.fhir.fhirpath.values import TypeInfo, system_name
from fhir_server.fhir.fhirpath.variables import variable

_TYPE_FUNCTIONS = ("is", "as", "ofType", "type")
_ORDER = frozenset(("first", "last", "tail", "skip", "take"))


class Compiler:
    """Compiles for one root type (None where it is not known).

    `strict` refuses what the types cannot have; `check_order` also refuses `first()` and the like
    on children(), whose order is not defined.
    """

    def __init__(self, root: Types, *, strict: bool, check_order: bool = False) -> None:
        self.root = root
        self.strict = strict
        self.check_order = check_order

    def lenient(self) -> Compiler:
        """One that lets pass what this one may refuse."""
        return Compiler(self.root, strict=False)

    def compile(self, tree: Expression, view: View) -> Part:
        match tree:
            case Literal():
                return self._literal(tree)
            case Special():
                return self._special(tree, view)
            case Variable():
                return variable(tree)
            case Member():
                return self._member(tree, view)
            case Call():
                return self._call(tree, view)
            case Indexer():
                return self._indexer(tree, view)
            case Unary():
                return self._unary(tree, view)
            case Binary():
                return self._binary(tree, view)
            case TypeTest():
                return type_test(self, tree.operator, tree.operand, tree, view)

    # --- terms ---

    def _literal(self, tree: Literal) -> Part:
        value = tree.value
        if value is None:
            return Part(lambda scope: [], ())
        return Part(lambda scope: [value], (f"System.{system_name(value)}",))

    def _special(self, tree: Special, view: View) -> Part:
        if tree.name == "this":
            return Part(lambda scope: scope.this, view.this, view.ordered)
        if tree.name == "index":
            return Part(lambda scope: [scope.index], ("System.Integer",))
        return Part(lambda scope: scope.total)

    # --- steps ---

    def _member(self, tree: Member, view: View) -> Part:
        name = tree.name
        if tree.source is None:
            if name[:1].isupper() and shape(name).known:
                return self._root_type(tree, view)
            source = Part(lambda scope: scope.this, view.this, view.ordered)
        else:
            source = self.compile(tree.source, view)
        types = step_types(source.types, name, self.strict, tree.position)
        code, first = source.code, tree.source is None

        def member(scope: Scope) -> Items:
            out: Items = []
            for item in code(scope):
                if type(item) is Node:
                    if first and item.shape.name == name and not item.shape.known:
                        out.append(item)  # the name of a resource type that R4 does not have
                    else:
                        walk(item, name, out)
                elif type(item) is TypeInfo:
                    out += [getattr(item, name)] if name in ("namespace", "name") else []
            return out

        return Part(member, types, source.ordered)

    def _root_type(self, tree: Member, view: View) -> Part:
        name = tree.name
        if (
            self.strict
            and view.this is not None
            and not any(name in shape(each).ancestors or shape(each).dynamic for each in view.this)
        ):
            raise SemanticFault(
                f"the context is {' or '.join(view.this)}, not {name}", position=tree.position
            )

        def root_type(scope: Scope) -> Items:
            return [i for i in scope.this if type(i) is Node and name in i.shape.ancestors]

        types: Types = (name,)
        if view.this is not None and all(name in shape(each).ancestors for each in view.this):
            types = view.this
        return Part(root_type, types, view.ordered)

    def _indexer(self, tree: Indexer, view: View) -> Part:
        source, index = self.compile(tree.source, view), self.compile(tree.index, view)
        self._order(source, "[]", tree.position)

        def indexer(scope: Scope) -> Items:
            items = source.code(scope)
            at = integer(index.code(scope), "[]")
            return [] if at is None or at < 0 else items[at : at + 1]

        return Part(with_fault(indexer, tree.position), source.types)

    def _order(self, source: Part, name: str, position: int) -> None:
        if self.check_order and not source.ordered:
            raise SemanticFault(f"'{name}' on items whose order is not defined", position=position)

    # --- operators ---

    def _unary(self, tree: Unary, view: View) -> Part:
        operand = self.compile(tree.operand, view)
        code = operand.code

        def unary(scope: Scope) -> Items:
            items = negate(code(scope))
            return items if tree.operator == "-" else negate(items)

        return Part(with_fault(unary, tree.position), operand.types)

    def _binary(self, tree: Binary, view: View) -> Part:
        sign = tree.operator
        left, right = self._apart(tree.left, view), self._apart(tree.right, view)
        one, other = left.code, right.code
        if sign in LOGIC:
            return Part(with_fault(_logic(sign, one, other), tree.position), ("System.Boolean",))
        act = OPERATORS[sign]
        types: Types = ("System.Boolean",)
        if sign == "|":
            known = left.types is not None and right.types is not None
            types = (*(left.types or ()), *(right.types or ())) if known else None
        elif sign in ("+", "-", "*", "/", "div", "mod"):
            types = None
        elif sign == "&":
            types = ("System.String",)
        return Part(with_fault(lambda scope: act(one(scope), other(scope)), tree.position), types)

    def _apart(self, tree: Expression, view: View) -> Part:
        """An operand or argument; variables that it defines stay inside it."""
        part = self.compile(tree, view)
        if not _defines(tree):
            return part
        code = part.code
        return Part(lambda scope: code(scope.inner(scope.this)), part.types, part.ordered)

    # --- functions ---

    def _call(self, tree: Call, view: View) -> Part:
        name = tree.name
        if name in ("is", "as", "ofType"):
            operand = tree.source or Special("this", tree.position)
            return type_test(self, name, operand, tree, view)
        source = (
            Part(lambda scope: scope.this, view.this, view.ordered)
            if tree.source is None
            else self.compile(tree.source, view)
        )
        if name in LAMBDAS:
            low, high, build = LAMBDAS[name]
            arity(tree, low, high)
            return build(self, source, tree, view)
        if name == "type":
            arity(tree, 0, 0)
            code = source.code
            return Part(lambda scope: [info(item) for item in code(scope)], ("System.TypeInfo",))
        function = FUNCTIONS.get(name)
        if function is None:
            known = [*FUNCTIONS, *LAMBDAS, *_TYPE_FUNCTIONS]
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise SemanticFault(f"there is no function '{name}'{hint}", position=tree.position)
        arity(tree, function.low, function.high)
        if self.strict:
            check_input(function, source.types, tree)
        if name in _ORDER:
            self._order(source, name, tree.position)
        return self._plain_call(function, source, tree, view)

    def _plain_call(self, function: Function, source: Part, tree: Call, view: View) -> Part:
        arguments = [self._apart(argument, view) for argument in tree.arguments]
        call, code = function.call, source.code
        if not arguments:
            run: Code = lambda scope: call(scope, code(scope))  # noqa: E731
        elif len(arguments) == 1:
            first = arguments[0].code
            run = lambda scope: call(scope, code(scope), first(scope))  # noqa: E731
        else:
            codes = [argument.code for argument in arguments]
            run = lambda scope: call(scope, code(scope), *[c(scope) for c in codes])  # noqa: E731
        types = source.types if function.returns is SAME else function.returns
        if tree.name in ("union", "combine") and source.types is not None:
            more = arguments[0].types
            types = None if more is None else (*source.types, *more)
        ordered = source.ordered and tree.name not in ("children", "descendants")
        return Part(with_fault(run, tree.position), types, ordered)


def _logic(sign: str, one: Code, other: Code) -> Code:
    """Left first; the right side is not evaluated where the left decides."""
    act = LOGIC[sign]
    decided = {"and": False, "or": True, "implies": False}.get(sign)

    def logic(scope: Scope) -> Items:
        left = truth(one(scope))
        if left is decided and left is not None:
            return [sign != "and"]
        answer = act(left, truth(other(scope)))
        return [] if answer is None else [answer]

    return logic


def _defines(tree: Any) -> bool:
    """Whether `defineVariable` stands in the chain of the expression (not in its arguments)."""
    while isinstance(tree, Call | Member | Indexer):
        if isinstance(tree, Call) and tree.name == "defineVariable":
            return True
        tree = tree.source
    return False
