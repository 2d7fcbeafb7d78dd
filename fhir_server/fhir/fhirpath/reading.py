"""JSON values of FHIR's primitives as the values that operators work on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_server.fhir.fhirpath.temporal import parse_temporal


def as_is(value: Any) -> Any:
    return value


def as_decimal(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        try:
            return Decimal(repr(value))
        except InvalidOperation:
            return value
    return value


def _moment(kind: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        found = parse_temporal(value, kind) if isinstance(value, str) else None
        return value if found is None else found

    return read


READ: dict[str, Callable[[Any], Any]] = {
    "decimal": as_decimal,
    "date": _moment("Date"),
    "dateTime": _moment("DateTime"),
    "instant": _moment("DateTime"),
    "time": _moment("Time"),
}
