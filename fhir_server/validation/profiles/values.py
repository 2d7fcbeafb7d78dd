"""Fixed and pattern values. https://hl7.org/fhir/R4/elementdefinition-definitions.html"""

from __future__ import annotations

from typing import Any

__all__ = ["equals", "fits"]


def equals(value: Any, fixed: Any) -> bool:
    """Whether a value is the fixed one, to the last property."""
    if type(fixed) is dict:
        return (
            type(value) is dict
            and value.keys() == fixed.keys()
            and all(equals(value[name], one) for name, one in fixed.items())
        )
    if type(fixed) is list:
        return (
            type(value) is list
            and len(value) == len(fixed)
            and all(equals(one, other) for one, other in zip(value, fixed, strict=True))
        )
    return bool(value == fixed) and (type(value) is bool) == (type(fixed) is bool)


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value has all that the pattern has; what repeats may come in any order."""
    if type(pattern) is dict:
        return type(value) is dict and all(
            name in value and fits(value[name], one) for name, one in pattern.items()
        )
    if type(pattern) is list:
        return type(value) is list and all(any(fits(v, one) for v in value) for one in pattern)
    return bool(value == pattern) and (type(value) is bool) == (type(pattern) is bool)
