"""The operators on evaluated collections (https://hl7.org/fhirpath/N1/#operations).

`and`, `or`, `implies` and `xor` are three-valued: None stands for empty.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.fhir.fhirpath import quantity
from fhir_server.fhir.fhirpath.equality import compare, distinct, equal, equivalent, key, named
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.quantity import Quantity
from fhir_server.fhir.fhirpath.scope import Items, single
from fhir_server.fhir.fhirpath.temporal import Temporal, plus

_LARGEST = 2**31 - 1
_DATE_UNITS = frozenset(("year", "month", "week", "day"))
_LONGEST = 20_000_000  # characters of a text that an expression may build


def wrap(value: Any) -> Items:
    """A value as a collection; None is the empty one."""
    return [] if value is None else [value]


def _ordered(test: Callable[[int], bool]) -> Callable[[Items, Items], Items]:
    def operator(left: Items, right: Items) -> Items:
        if not left or not right:
            return []
        if len(left) > 1 or len(right) > 1:
            raise ExecutionFault("only single items have an order")
        order = compare(left[0], right[0])
        return [] if order is None else [test(order)]

    return operator


def _equal(left: Items, right: Items) -> Items:
    return wrap(equal(left, right))


def _unequal(left: Items, right: Items) -> Items:
    same = equal(left, right)
    return [] if same is None else [not same]


def _in(left: Items, right: Items) -> Items:
    if not left:
        return []
    if len(left) > 1:
        raise ExecutionFault("'in' needs one item on its left")
    wanted = key(left[0])
    return [any(key(item) == wanted for item in right)]


def _concatenate(left: Items, right: Items) -> Items:
    parts = []
    for side in (left, right):
        value = single(side, "'&'")
        if value is not None and not isinstance(value, str):
            raise ExecutionFault(f"'&' needs strings, not {named(side[0])}")
        parts.append(value or "")
    return [_bounded("".join(parts))]


def _arithmetic(sign: str) -> Callable[[Items, Items], Items]:
    act = {"+": _add, "-": _subtract, "*": _multiply, "/": _divide, "div": _div, "mod": _mod}[sign]

    def operator(left: Items, right: Items) -> Items:
        one, other = single(left, f"'{sign}'"), single(right, f"'{sign}'")
        if one is None or other is None:
            return []
        if isinstance(one, bool) or isinstance(other, bool):
            raise _mismatch(sign, one, other)
        try:
            result = act(one, other)
        except (DecimalException, ZeroDivisionError, OverflowError):
            return []
        except ucum.UcumError:
            return []
        if isinstance(result, int) and not -_LARGEST - 1 <= result <= _LARGEST:
            return []
        return wrap(result)

    return operator


def _bounded(text: str) -> str:
    check_length(len(text))
    return text


def check_length(length: int) -> None:
    """ExecutionFault where a text that is built has become huge, as by repeated doubling."""
    if length > _LONGEST:
        raise ExecutionFault(f"a text of more than {_LONGEST} characters")


def _numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | Decimal) and isinstance(other, int | Decimal)


def _mismatch(sign: str, one: Any, other: Any) -> ExecutionFault:
    return ExecutionFault(f"'{sign}' does not work on {named(one)} and {named(other)}")


def _add(one: Any, other: Any) -> Any:
    if _numbers(one, other):
        return one + other
    if isinstance(one, str) and isinstance(other, str):
        return _bounded(one + other)
    return _shift("+", one, other, 1)


def _subtract(one: Any, other: Any) -> Any:
    if _numbers(one, other):
        return one - other
    return _shift("-", one, other, -1)


def _shift(sign: str, one: Any, other: Any, direction: int) -> Any:
    if isinstance(one, Temporal) and isinstance(other, Quantity):
        unit = other.duration
        if unit is None or (one.kind == "Time" and unit in _DATE_UNITS):
            raise ExecutionFault(f"'{other.unit}' cannot be added to a {one.kind}")
        moved = plus(one, direction * other.value, unit)
        if moved is None:
            raise ExecutionFault("the result lies outside the years 0001 to 9999")
        return moved
    return quantity.add(*_both_quantities(sign, one, other), direction)


def _multiply(one: Any, other: Any) -> Any:
    if _numbers(one, other):
        return one * other
    return quantity.product(*_both_quantities("*", one, other), 1)


def _divide(one: Any, other: Any) -> Any:
    if _numbers(one, other):
        return Decimal(one) / Decimal(other)
    return quantity.product(*_both_quantities("/", one, other), -1)


def _both_quantities(sign: str, one: Any, other: Any) -> tuple[Quantity, Quantity]:
    sides = []
    if not isinstance(one, Quantity) and not isinstance(other, Quantity):
        raise _mismatch(sign, one, other)
    for side in (one, other):
        if isinstance(side, Quantity):
            sides.append(side)
        elif isinstance(side, int | Decimal):
            sides.append(Quantity(Decimal(side)))
        else:
            raise _mismatch(sign, one, other)
    return sides[0], sides[1]


def _div(one: Any, other: Any) -> Any:
    if not _numbers(one, other):
        raise _mismatch("div", one, other)
    whole = Decimal(one) // Decimal(other)
    return int(whole) if isinstance(one, int) and isinstance(other, int) else whole


def _mod(one: Any, other: Any) -> Any:
    if not _numbers(one, other):
        raise _mismatch("mod", one, other)
    rest = Decimal(one) % Decimal(other)  # the sign of the dividend, as truncating div asks
    return int(rest) if isinstance(one, int) and isinstance(other, int) else rest


def negate(items: Items) -> Items:
    """Unary minus."""
    value = single(items, "'-'")
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [Quantity(-value.value, value.unit, value.calendar)]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ExecutionFault(f"'-' needs a number, not {named(items[0])}")
    return [-value]


OPERATORS: dict[str, Callable[[Items, Items], Items]] = {
    "=": _equal,
    "!=": _unequal,
    "~": lambda left, right: [equivalent(left, right)],
    "!~": lambda left, right: [not equivalent(left, right)],
    "<": _ordered(lambda order: order < 0),
    "<=": _ordered(lambda order: order <= 0),
    ">": _ordered(lambda order: order > 0),
    ">=": _ordered(lambda order: order >= 0),
    "|": lambda left, right: distinct([*left, *right]),
    "in": _in,
    "contains": lambda left, right: _in(right, left),
    "&": _concatenate,
    "+": _arithmetic("+"),
    "-": _arithmetic("-"),
    "*": _arithmetic("*"),
    "/": _arithmetic("/"),
    "div": _arithmetic("div"),
    "mod": _arithmetic("mod"),
}


def both(left: bool | None, right: bool | None) -> bool | None:
    """`and`."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:
    """`or`."""
    if left or right:
        return True
    return None if left is None or right is None else False


def one_of(left: bool | None, right: bool | None) -> bool | None:
    """`xor`."""
    return None if left is None or right is None else left != right


def implies(left: bool | None, right: bool | None) -> bool | None:
    """`implies`."""
    return either(None if left is None else not left, right)


LOGIC: dict[str, Callable[[bool | None, bool | None], bool | None]] = {
    "and": both,
    "or": either,
    "xor": one_of,
    "implies": implies,
}
