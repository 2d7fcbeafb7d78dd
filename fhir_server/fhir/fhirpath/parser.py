"""Tokens -> syntax tree: recursive descent for terms, precedence climbing for operators."""

from __future__ import annotations

from decimal import Decimal

from fhir_server.fhir.fhirpath.errors import SyntaxFault
from fhir_server.fhir.fhirpath.lexer import Token, tokens
from fhir_server.fhir.fhirpath.quantity import CALENDAR, Quantity
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Indexer,
    Literal,
    Member,
    Special,
    TypeName,
    TypeTest,
    Unary,
    Variable,
)
from fhir_server.fhir.fhirpath.temporal import Temporal, parse_temporal

# The higher binds tighter (https://hl7.org/fhirpath/N1/#operator-precedence).
_PRECEDENCE = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_DEEPEST = 150  # levels of the tree: what Python's stack allows to be compiled and run
_WORDS = frozenset(("div", "mod", "and", "or", "xor", "implies", "true", "false"))


def parse(text: str) -> Expression:
    """The tree of an expression. SyntaxFault with the place where the text is none."""
    parser = _Parser(tokens(text))
    try:
        tree = parser.expression(0)
    except RecursionError:
        raise SyntaxFault("the expression is nested too deep") from None
    if parser.next.kind != "end":
        raise parser.unexpected()
    if _depth(tree) > _DEEPEST:
        raise SyntaxFault(f"the expression is nested deeper than {_DEEPEST} levels")
    return tree


def _depth(tree: Expression) -> int:
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        each, level = waiting.pop()
        deepest = max(deepest, level)
        for name in ("source", "index", "operand", "left", "right"):
            inner = getattr(each, name, None)
            if inner is not None and not isinstance(inner, str):
                waiting.append((inner, level + 1))
        if isinstance(each, Call):
            waiting += [(argument, level + 1) for argument in each.arguments]
    return deepest


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def sign(self, text: str) -> bool:
        """Whether the next token is this sign; it is taken if so."""
        if self.next.kind == "sign" and self.next.text == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.sign(text):
            raise self.unexpected(f", expected '{text}'")

    def unexpected(self, wish: str = "") -> SyntaxFault:
        token = self.next
        shown = "end of the expression" if token.kind == "end" else f"'{token.text}'"
        return SyntaxFault(f"unexpected {shown}{wish}", position=token.position)

    def expression(self, floor: int) -> Expression:
        left = self.unary()
        while True:
            token = self.next
            level = _PRECEDENCE.get(token.text, 0) if token.kind in ("sign", "name") else 0
            if level <= floor:
                return left
            self.at += 1
            if token.text in ("is", "as"):
                left = TypeTest(token.text, left, self.type_name(), token.position)
            else:
                left = Binary(token.text, left, self.expression(level), token.position)

    def unary(self) -> Expression:
        token = self.next
        if token.kind == "sign" and token.text in "+-":
            self.at += 1
            return Unary(token.text, self.unary(), token.position)
        return self.invocations()

    def invocations(self) -> Expression:
        left = self.term()
        while True:
            token = self.next
            if self.sign("."):
                left = self.invocation(left)
            elif self.sign("["):
                left = Indexer(left, self.expression(0), token.position)
                self.expect("]")
            else:
                return left

    def invocation(self, source: Expression | None) -> Expression:
        token = self.take()
        if token.kind == "special" and source is not None:
            return Special(token.text[1:], token.position)
        if token.kind not in ("name", "quoted") or (token.kind == "name" and token.text in _WORDS):
            self.at -= 1
            raise self.unexpected(", expected a name")
        if self.sign("("):
            arguments, orders = self.arguments(token.text)
            return Call(source, token.text, arguments, token.position, orders)
        return Member(source, token.text, token.position)

    def arguments(self, function: str) -> tuple[tuple[Expression, ...], tuple[str, ...]]:
        found: list[Expression] = []
        orders: list[str] = []
        if self.sign(")"):
            return (), ()
        while True:
            argument = self.expression(0)
            order = "asc"
            if function == "sort":
                if isinstance(argument, Unary) and argument.operator == "-":
                    argument, order = argument.operand, "-"
                if self.next.kind == "name" and self.next.text in ("asc", "desc"):
                    order = self.take().text
            found.append(argument)
            orders.append(order)
            if self.sign(")"):
                return tuple(found), tuple(orders)
            self.expect(",")

    def term(self) -> Expression:
        token = self.next
        if self.sign("("):
            inner = self.expression(0)
            self.expect(")")
            return inner
        if self.sign("{"):
            self.expect("}")
            return Literal(None, token.position)
        if token.kind == "variable":
            return self.variable()
        if token.kind == "special":
            self.at += 1
            return Special(token.text[1:], token.position)
        if token.kind == "name" and token.text in ("true", "false"):
            self.at += 1
            return Literal(token.text == "true", token.position)
        if token.kind in ("name", "quoted"):
            return self.invocation(None)
        return self.literal()

    def variable(self) -> Variable:
        start = self.take().position
        token = self.take()
        if token.kind not in ("name", "quoted", "string"):
            self.at -= 1
            raise self.unexpected(", expected the name of a variable")
        return Variable(token.text, start)

    def literal(self) -> Literal:
        token = self.take()
        if token.kind == "string":
            return Literal(token.text, token.position)
        if token.kind == "number":
            return Literal(self.number(token.text), token.position)
        if token.kind in ("date", "datetime", "time"):
            return Literal(_temporal(token), token.position)
        self.at -= 1
        raise self.unexpected()

    def number(self, text: str) -> int | Decimal | Quantity:
        unit = self.next
        if unit.kind == "string":
            self.at += 1
            return Quantity(Decimal(text), unit.text)
        if unit.kind == "name" and unit.text in CALENDAR:
            self.at += 1
            return Quantity(Decimal(text), CALENDAR[unit.text], calendar=True)
        return Decimal(text) if "." in text else int(text)

    def type_name(self) -> TypeName:
        first = self.take()
        if first.kind not in ("name", "quoted"):
            self.at -= 1
            raise self.unexpected(", expected a type")
        if self.next.text == "." and self.tokens[self.at + 1].kind in ("name", "quoted"):
            self.at += 1
            return TypeName(first.text, self.take().text, first.position)
        return TypeName("", first.text, first.position)


def _temporal(token: Token) -> Temporal:
    kinds = {"date": "Date", "datetime": "DateTime", "time": "Time"}
    value = parse_temporal(token.text.lstrip("@").removeprefix("T"), kinds[token.kind])
    if value is None:
        raise SyntaxFault(
            f"{token.text} is no date or time of the calendar", position=token.position
        )
    return value
