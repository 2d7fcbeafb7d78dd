"""What an invariant comes to where the elements that it speaks of are not there.

Most invariants say something of elements that most resources do not have. Whether a property is
there is one look at the JSON, while the FHIRPath engine makes nodes and collections of it. A
shortcut looks, and leaves to the engine what it cannot decide so: it is never of another opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from fhir_server.fhir.fhirpath.shapes import Shape
from fhir_server.fhir.fhirpath.syntax import Binary, Call, Expression, Indexer, Member, TypeTest

Truth: TypeAlias = Literal["true", "false", "empty", "unknown"]
Json: TypeAlias = dict[str, Any]
Condition: TypeAlias = Callable[[Json], Truth]
Emptiness: TypeAlias = Callable[[Json], bool | None]
"""Whether an expression finds nothing; None where only the engine can tell."""

_OF_NOTHING_NOTHING = frozenset(
    (
        *("where", "select", "first", "last", "tail", "ofType", "as", "extension", "repeat"),
        *("startsWith", "endsWith", "matches", "substring", "length", "toString", "resolve"),
    )
)
_DATES = frozenset(("date", "dateTime", "instant"))
_SECOND = len("2015-02-07T13:28:17")
"""What follows are fractions and the zone."""
_COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))


def shortcut(tree: Expression, form: Shape) -> Callable[[Json], bool] | None:
    """Whether the invariant certainly holds for an object of this shape; False: ask the engine.

    None where there is nothing to be gained.
    """
    condition = _condition(tree, form)
    if condition is None:
        return None
    known = condition
    return lambda value: known(value) in ("true", "empty")


def in_order(tree: Expression, form: Shape) -> Callable[[Json], bool] | None:
    """Whether the invariant certainly holds as two dates are in order, one of its alternatives.

    Dates of one precision, in one zone, are in the order of their texts. None where there is no
    such alternative.
    """
    match tree:
        case Binary(operator="or"):
            return in_order(tree.left, form) or in_order(tree.right, form)
        case Binary(operator="<=", left=Member(None, first), right=Member(None, second)):
            names = [step.name for name in (first, second) for step in form.steps.get(name, ())]
            types = {step.shape.name for name in names for step in form.steps.get(name, ())}
            if len(names) == 2 and types <= _DATES:
                return _ordered(*names)
    return None


def _ordered(first: str, second: str) -> Callable[[Json], bool]:
    def look(value: Json) -> bool:
        one, other = value.get(first), value.get(second)
        return (
            type(one) is str
            and type(other) is str
            and len(one) == len(other)
            and one[_SECOND:] == other[_SECOND:]
            and one <= other
        )

    return look


def _condition(tree: Expression, form: Shape) -> Condition | None:
    match tree:
        case Binary(operator=("and" | "or" | "implies") as operator):
            return _logic(operator, _condition(tree.left, form), _condition(tree.right, form))
        case Binary(operator=operator) if operator in _COMPARISONS:
            return _comparison(_emptiness(tree.left, form), _emptiness(tree.right, form))
        case Call(source=source, name="not", arguments=()) if source is not None:
            inner = _condition(source, form)
            return None if inner is None else lambda value: _NOT[inner(value)]
        case Call(source=source, name=("exists" | "empty" | "all") as name) if source is not None:
            return _presence(name, bool(tree.arguments), _emptiness(source, form))
    empty = _emptiness(tree, form)
    return None if empty is None else lambda value: "empty" if empty(value) else "unknown"


_NOT: dict[Truth, Truth] = {
    "true": "false",
    "false": "true",
    "empty": "empty",
    "unknown": "unknown",
}


def _logic(operator: str, left: Condition | None, right: Condition | None) -> Condition | None:
    """https://hl7.org/fhirpath/N1/#boolean-logic, with `unknown` for what the engine must tell."""
    if left is None and right is None:
        return None
    first, second = left or _unknown, right or _unknown
    decides: Truth = "false" if operator == "and" else "true"
    turned = operator == "implies"

    def condition(value: Json) -> Truth:
        one = _NOT[first(value)] if turned else first(value)
        if one == decides:
            return decides
        two = second(value)
        if two == decides:
            return decides
        if "unknown" in (one, two):
            return "unknown"
        return "empty" if "empty" in (one, two) else one

    return condition


def _unknown(_: Json) -> Truth:
    return "unknown"


def _comparison(left: Emptiness | None, right: Emptiness | None) -> Condition | None:
    sides = [side for side in (left, right) if side is not None]
    if not sides:
        return None
    return lambda value: "empty" if any(side(value) for side in sides) else "unknown"


def _presence(name: str, criteria: bool, empty: Emptiness | None) -> Condition | None:
    if empty is None:
        return None
    nothing: Truth = "false" if name == "exists" else "true"
    something: Truth = "unknown" if criteria or name == "all" else _NOT[nothing]

    def condition(value: Json) -> Truth:
        found = empty(value)
        return "unknown" if found is None else nothing if found else something

    return condition


def _emptiness(tree: Expression, form: Shape) -> Emptiness | None:
    match tree:
        case Member(source=None, name=name):
            return _absence(name, form)
        case (
            Member(source=source)
            | Indexer(source=source)
            | TypeTest(operator="as", operand=source)
            | Call(source=source)
        ) if source is not None:
            if isinstance(tree, Call) and tree.name not in _OF_NOTHING_NOTHING:
                return None
            inner = _emptiness(source, form)
            return None if inner is None else lambda value: inner(value) or None
    return None


def _absence(name: str, form: Shape) -> Emptiness | None:
    steps = form.steps.get(name)
    if steps is None or form.primitive:
        return None
    names = frozenset(
        found
        for step in steps
        for found in ((step.name, step.sibling) if step.shape.primitive else (step.name,))
    )
    if len(names) == 1:
        (only,) = names
        return lambda value: only not in value
    return names.isdisjoint
