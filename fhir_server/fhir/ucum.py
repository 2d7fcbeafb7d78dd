"""UCUM, the unified code for units of measure: compare, convert and compute, case-sensitive.

https://ucum.org/ucum. The table is `data/ucum.json` (made by `build_ucum.py`). Magnitudes are exact
fractions; only the special units (degree Celsius, pH, bel, ...) go through functions on decimals.
An arbitrary unit such as `[iU]` is a dimension of its own: comparable with itself alone (§24).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

from fhir_server.fhir.ucum_units import UcumError, Unit, parse, syntax, table

__all__ = [
    "UcumError",
    "Unit",
    "canonical",
    "comparable",
    "convert",
    "display",
    "divide",
    "multiply",
    "parse",
    "validate",
]

_DIGITS = Context(prec=40)
_multiply = _DIGITS.multiply
_MAX_MAGNITUDE = 400  # decimal exponent of a value that is still turned into a fraction


def validate(code: str) -> str | None:
    """None for a well-formed code of known units, otherwise a text that says what is wrong.

    The empty code stands for unity, the default of FHIR's and HL7's quantities.
    """
    try:
        syntax(code)
    except UcumError as error:
        return str(error)
    return None


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in base units and their code: `(6.3, "mm")` gives `(0.0063, "m")`.

    None where the code is not UCUM or the value lies outside what the unit can say.
    """
    try:
        scaling = _scaling(code)
        if scaling is not None and value.is_finite() and abs(value.adjusted()) <= _MAX_MAGNITUDE:
            return _multiply(value, scaling[0]), scaling[1]
        unit = parse(code)
        return _to_base(value, unit), unit.code
    except (UcumError, DecimalException, OverflowError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _scaling(code: str) -> tuple[Decimal, str] | None:
    """The factor to base units where it is an exact decimal, which spares the fraction."""
    unit = parse(code)
    factor = _decimal(unit.factor)
    return None if unit.special or Fraction(factor) != unit.factor else (factor, unit.code)


def convert(value: Decimal, from_: str, to: str) -> Decimal:
    """The value in the unit `to`. UcumError where the units do not measure the same."""
    source, target = parse(from_), parse(to)
    if source.dimensions != target.dimensions:
        raise UcumError(f"'{from_}' cannot be converted to '{to}'")
    if source.special or target.special:
        try:
            return _from_base(_to_base(value, source), target)
        except (DecimalException, OverflowError) as error:
            raise UcumError(f"{value} '{from_}' lies outside what '{to}' can say") from error
    return _decimal(_fraction(value) * source.factor / target.factor)


def comparable(one: str, other: str) -> bool:
    """Whether both are units, and of the same kind of quantity."""
    try:
        return parse(one).dimensions == parse(other).dimensions
    except UcumError:
        return False


def multiply(v1: Decimal, u1: str, v2: Decimal, u2: str) -> tuple[Decimal, str]:
    """The product: `(12, "cm")` and `(3, "m")` give `(3600, "cm2")`.

    In canonical units where the codes have numbers in them. UcumError for special units.
    """
    return _product(v1, u1, v2, u2, 1)


def divide(v1: Decimal, u1: str, v2: Decimal, u2: str) -> tuple[Decimal, str]:
    """The quotient: `(120, "m")` and `(60, "s")` give `(2, "m/s")`; otherwise as `multiply`.

    ZeroDivisionError for a zero divisor.
    """
    if not v2:
        raise ZeroDivisionError
    return _product(v1, u1, v2, u2, -1)


def display(code: str) -> str:
    """A readable form: `mm` is `(millimeter)`, `m.s-2` is `(meter) * (second ^ -2)`."""
    return _readable(syntax(code)) if code else "(unity)"


_Pair = tuple[Callable[[Decimal], Decimal], Callable[[Decimal], Decimal]]


def _potency(base: int) -> _Pair:
    logarithm = Decimal(base).log10(_DIGITS)
    return lambda x: Decimal(base) ** -x, lambda y: -y.log10() / logarithm


# Each pair: from the special unit to a count of its reference, and back.
_FUNCTIONS: dict[str, _Pair] = {
    "Cel": (lambda x: x + Decimal("273.15"), lambda y: y - Decimal("273.15")),
    "degF": (lambda x: x + Decimal("459.67"), lambda y: y - Decimal("459.67")),
    "degRe": (lambda x: x + Decimal("218.52"), lambda y: y - Decimal("218.52")),
    "pH": (lambda x: Decimal(10) ** -x, lambda y: -y.log10()),
    "ln": (lambda x: x.exp(), lambda y: y.ln()),
    "lg": (lambda x: Decimal(10) ** x, lambda y: y.log10()),
    "lgTimes2": (lambda x: Decimal(10) ** (x / 2), lambda y: y.log10() * 2),
    "ld": (lambda x: Decimal(2) ** x, lambda y: y.ln() / Decimal(2).ln()),
    "sqrt": (lambda x: x * x, lambda y: y.sqrt()),
    "tanTimes100": (
        lambda x: Decimal(repr(math.atan(float(x) / 100))),
        lambda y: Decimal(repr(math.tan(float(y)) * 100)),
    ),
    "hpX": _potency(10),
    "hpC": _potency(100),
    "hpM": _potency(1000),
    "hpQ": _potency(50000),
}


def _to_base(value: Decimal, unit: Unit) -> Decimal:
    if unit.special:
        with localcontext(_DIGITS):
            value = _FUNCTIONS[unit.special][0](_decimal(_fraction(value) * unit.scale))
    return _decimal(_fraction(value) * unit.factor)


def _from_base(value: Decimal, unit: Unit) -> Decimal:
    count = _decimal(_fraction(value) / unit.factor)
    if unit.special:
        with localcontext(_DIGITS):
            count = _decimal(_fraction(_FUNCTIONS[unit.special][1](count)) / unit.scale)
        count = count.quantize(Decimal("1e-30"), context=_DIGITS) if abs(count) < 10**9 else count
        return _trimmed(count)
    return count


def _product(v1: Decimal, u1: str, v2: Decimal, u2: str, sign: int) -> tuple[Decimal, str]:
    one, other = parse(u1), parse(u2)
    if other == Unit(Fraction(1)):
        return _decimal(_fraction(v1) * _fraction(v2) ** sign), u1
    if one == Unit(Fraction(1)) and sign > 0:
        return _decimal(_fraction(v1) * _fraction(v2)), u2
    unit = one.times(other, sign)
    if unit.special:
        raise UcumError(f"'{u1}' and '{u2}' cannot be multiplied")
    value = _fraction(v1) * _fraction(v2) ** sign
    powers: dict[tuple[str, str], int] = {}
    if unit.dimensions and all(
        _gather(syntax(code), direction, powers) for code, direction in ((u1, 1), (u2, sign))
    ):
        code, factor = _written(powers)
        return _decimal(value * factor), code
    return _decimal(value * unit.factor), unit.code


def _gather(parts: list[Any], direction: int, powers: dict[tuple[str, str], int]) -> bool:
    """Adds up the exponents of (prefix, symbol). False where a number stands among the units."""
    for sign, node in parts:
        if isinstance(node, tuple):
            prefix, symbol, exponent = node
            power = powers.get((prefix, symbol), 0) + exponent * sign * direction
            powers[prefix, symbol] = power
        elif isinstance(node, int):
            if node != 1:
                return False
        elif not _gather(node, sign * direction, powers):
            return False
    return True


def _written(powers: dict[tuple[str, str], int]) -> tuple[str, Fraction]:
    """The code of a product, every symbol with the prefix that it has first, and its factor."""
    factor, first, merged = Fraction(1), dict[str, str](), dict[str, int]()
    prefixes = table().prefixes
    for (prefix, symbol), power in powers.items():
        kept = first.setdefault(symbol, prefix)
        sizes = [prefixes[each][0] if each else Fraction(1) for each in (prefix, kept)]
        factor *= (sizes[0] / sizes[1]) ** power
        merged[symbol] = merged.get(symbol, 0) + power
    over, under = [], ""
    for symbol, power in merged.items():
        text = first[symbol] + symbol + (str(abs(power)) if abs(power) > 1 else "")
        if power > 0:
            over.append(text)
        elif power < 0:
            under += f"/{text}"
    return (".".join(over) + under) or "1", factor


def _fraction(value: Decimal) -> Fraction:
    if not value.is_finite() or abs(value.adjusted()) > _MAX_MAGNITUDE:
        raise UcumError(f"{value} is too large or too small to convert")
    return Fraction(value)


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def _trimmed(value: Decimal) -> Decimal:
    short = value.normalize(_DIGITS)
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def _readable(parts: list[Any]) -> str:
    known, text = table(), ""
    for sign, node in parts:
        if isinstance(node, int):
            shown = str(node)
        elif isinstance(node, tuple):
            prefix, symbol, exponent = node
            name = known.base.get(symbol) or known.units[symbol][5]
            power = "" if exponent == 1 else f" ^ {exponent}"
            shown = f"({known.prefixes[prefix][1] if prefix else ''}{name}{power})"
        else:
            shown = f"({_readable(node)})"
        joint = (" * " if sign > 0 else " / ") if text else ("" if sign > 0 else "/ ")
        text += joint + shown
    return text
