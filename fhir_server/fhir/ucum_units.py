"""What UCUM codes mean: the grammar (§5-12), the table of units and their definitions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

_MAX_EXPONENT = 999  # of a unit: enough for any sense, small enough to compute


class UcumError(ValueError):
    """The code is no UCUM unit, or the two units do not measure the same."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a code means: `factor` times the base units to the powers in `dimensions`.

    `special` names the function of a special unit (UCUM §21), whose argument is first multiplied by
    `scale` (a prefix or a number in front) and whose result is a count of the unit's reference.
    """

    factor: Fraction
    dimensions: tuple[tuple[str, int], ...] = ()
    special: str = ""
    scale: Fraction = Fraction(1)

    def times(self, other: Unit, sign: int = 1) -> Unit:
        """The product (sign 1) or quotient (sign -1). A special unit takes a plain number alone."""
        if self.special or other.special:
            plain, unit = (self, other) if other.special else (other, self)
            if plain.special or plain.dimensions or (sign < 0 and unit is other):
                raise UcumError(f"a special unit ({unit.special}) cannot be multiplied by a unit")
            return replace(unit, scale=unit.scale * plain.factor**sign)
        powers = dict(self.dimensions)
        for name, power in other.dimensions:
            powers[name] = powers.get(name, 0) + sign * power
        dimensions = tuple(sorted((n, p) for n, p in powers.items() if p))
        return Unit(self.factor * other.factor**sign, dimensions)

    def power(self, exponent: int) -> Unit:
        if exponent == 1:
            return self
        if self.special:
            raise UcumError(f"a special unit ({self.special}) has no powers")
        dimensions = tuple((n, p * exponent) for n, p in self.dimensions) if exponent else ()
        return Unit(self.factor**exponent, dimensions)

    @property
    def code(self) -> str:
        """The canonical code: base units in order, `1` for a plain number."""
        return ".".join(n if p == 1 else f"{n}{p}" for n, p in self.dimensions) or "1"


@lru_cache(maxsize=4096)
def parse(code: str) -> Unit:
    """What a code means. UcumError where it is no UCUM unit."""
    return _evaluate(syntax(code))


# --- grammar (UCUM §5-12): term -> [/] component {(. or /) component} ---

_Atom = tuple[str, str, int]  # prefix, symbol, exponent
_Node = int | _Atom | list[Any]  # a factor, an atom, or a list of (sign, node)
_SYMBOL = re.compile(r"(?:[^\s./(){}\[\]]|\[[^\[\]\s]*\])+")
_EXPONENT = re.compile(r"(.*[^0-9+-])([+-]?[0-9]+)", re.DOTALL)
_ANNOTATION = re.compile(r"\{[!-z|~]*\}")


@lru_cache(maxsize=4096)
def syntax(code: str) -> list[Any]:
    """The code as a list of (sign, node): a number, (prefix, symbol, exponent), or such a list.

    UcumError with the place where it is none.
    """
    for place, char in enumerate(code):
        if not "!" <= char <= "~":
            raise UcumError(f"'{code}' has a character that units do not have, at {place + 1}")
    if not code:
        return [(1, 1)]
    node, end = _term(code, 0, 0)
    if end < len(code):
        raise UcumError(f"'{code}': unexpected '{code[end]}' at {end + 1}")
    return node


def _term(code: str, at: int, depth: int) -> tuple[list[Any], int]:
    if depth > 20:
        raise UcumError("parentheses too deep in a unit")
    parts: list[Any] = []
    sign = 1
    if code.startswith("/", at):
        sign, at = -1, at + 1
    while True:
        node, at = _component(code, at, depth)
        parts.append((sign, node))
        if at >= len(code) or code[at] not in "./":
            return parts, at
        sign, at = (1 if code[at] == "." else -1), at + 1


def _component(code: str, at: int, depth: int) -> tuple[_Node, int]:
    if code.startswith("(", at):
        node: _Node
        node, at = _term(code, at + 1, depth + 1)
        if not code.startswith(")", at):
            raise UcumError(f"'{code}' lacks a closing parenthesis")
        return node, at + 1
    found = _SYMBOL.match(code, at)
    node = 1
    if found:
        node, at = _simple(found.group()), found.end()
    note = _ANNOTATION.match(code, at)
    if note:
        at = note.end()
    elif not found:
        raise UcumError(f"'{code}' lacks a unit at {at + 1}")
    return node, at


def _simple(text: str) -> _Node:
    if text.isdigit():
        if text.strip("0") == "":
            raise UcumError("zero is not a unit")
        return int(text)
    known = table()
    symbol, exponent = text, 1
    split = _EXPONENT.fullmatch(text)
    if split:
        symbol, exponent = split.group(1), int(split.group(2))
        if abs(exponent) > _MAX_EXPONENT:
            raise UcumError(f"the exponent of '{text}' is too large")
    if symbol in known.units or symbol in known.base:
        return "", symbol, exponent
    for length in (1, 2):
        prefix, atom = symbol[:length], symbol[length:]
        if prefix in known.prefixes and (atom in known.base or atom in known.metric):
            return prefix, atom, exponent
    raise UcumError(f"'{symbol}' is not a UCUM unit")


# --- meaning ---


@dataclass(frozen=True, slots=True)
class Table:
    prefixes: dict[str, tuple[Fraction, str]]
    base: dict[str, str]
    units: dict[str, list[Any]]
    metric: frozenset[str]


@cache
def table() -> Table:
    path = Path(__file__).parent / "data" / "ucum.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    prefixes = {code: (Fraction(size), name) for code, (size, name) in data["prefixes"].items()}
    units: dict[str, list[Any]] = data["units"]
    metric = frozenset(code for code, row in units.items() if row[0])
    return Table(prefixes, data["base"], units, metric)


def _evaluate(parts: list[Any]) -> Unit:
    unit = Unit(Fraction(1))
    for sign, node in parts:
        if isinstance(node, int):
            factor = Unit(Fraction(node))
        elif isinstance(node, tuple):
            prefix, symbol, exponent = node
            factor = _atom(symbol)
            if prefix:
                factor = Unit(table().prefixes[prefix][0]).times(factor)
            factor = factor.power(exponent)
        else:
            factor = _evaluate(node)
        unit = unit.times(factor, sign)
    if abs(unit.factor.numerator.bit_length() - unit.factor.denominator.bit_length()) > 5000:
        raise UcumError("the unit is too large")
    return unit


@cache
def _atom(symbol: str) -> Unit:
    known = table()
    if symbol in known.base:
        return Unit(Fraction(1), ((symbol, 1),))
    _, arbitrary, function, value, code, _ = known.units[symbol]
    if arbitrary:
        return Unit(Fraction(1), ((symbol, 1),))
    reference = parse(code)
    if function == "100tan":  # the table names degrees here, its own formula radians
        function, reference = "tanTimes100", parse("rad")
    return replace(reference, factor=Fraction(value) * reference.factor, special=function)
