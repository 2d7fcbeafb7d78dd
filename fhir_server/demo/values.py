"""Measured values that wander along a trend, and how FHIR writes them."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from fhir_server.demo.codes import UCUM, Measure
from fhir_server.demo.person import Trend


def value(trend: Trend, way: float, random: Random, digits: int) -> Decimal:
    """The value at `way` (0 the start, 1 today) of a trend that levels off, with some stray."""
    eased = way * (2 - way)
    stray = (random.random() + random.random() - 1) * trend.spread
    return Decimal(f"{trend.start + (trend.end - trend.start) * eased + stray:.{digits}f}")


def quantity(amount: Decimal, measure: Measure) -> dict[str, Any]:
    """The Quantity in the measure's UCUM unit."""
    unit = {"unit": measure.shown} if measure.shown else {}
    return {"value": amount, **unit, "system": UCUM, "code": measure.unit}


def interpretation(amount: Decimal, measure: Measure) -> str:
    """`L`, `N` or `H` against the normal range."""
    if measure.low is not None and amount < Decimal(str(measure.low)):
        return "L"
    return "H" if measure.high is not None and amount > Decimal(str(measure.high)) else "N"


def reference_range(measure: Measure) -> dict[str, Any]:
    """The normal range, with the bounds that it has."""
    bounds = {"low": measure.low, "high": measure.high}
    return {
        side: quantity(Decimal(str(bound)), measure)
        for side, bound in bounds.items()
        if bound is not None
    }
