"""Checks of primitive properties: `birthDate`, `given` with its nulls, and `_birthDate` beside.

https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir.primitives import CHECKS, EXPECTED, JSON_TYPES, TEXT
from fhir_server.validation.faults import Check, Faults, State, above, json_type, shown

__all__ = ["coded", "companion", "companions", "plain", "repeated"]

_AGAIN = ("canonical", "code", "uri", "url")
"""Types most of whose values come again and again: systems, units, profiles."""

_LONGEST, _MOST = 100, 2_000
"""Characters of a text that is remembered, and how many of one type are."""


class _Met(dict[str, bool]):
    """Texts that were looked at before, and whether they are of their type."""

    def __init__(self, matches: Callable[[str], Any]) -> None:
        super().__init__()
        self._matches = matches

    def __missing__(self, text: str) -> bool:
        right = bool(self._matches(text))
        if len(text) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[text] = right
        return right


_MET = {type_: _Met(TEXT[type_]) for type_ in _AGAIN}


def plain(type_: str) -> Check:
    """One value of a primitive type."""
    if type_ in ("string", "markdown"):
        matches = TEXT[type_]

        def check_string(value: Any, owner: dict[str, Any], state: State) -> Faults:
            # Printable text that begins with more than a blank is neither empty nor blank.
            if type(value) is str and (
                (value >= "!" and value.isprintable() and len(value) < 1000) or matches(value)
            ):
                return None
            return _wrong(type_, value, state)

        return check_string
    if type_ in _MET:
        met = _MET[type_]

        def check_again(value: Any, owner: dict[str, Any], state: State) -> Faults:
            if type(value) is str and met[value]:
                return None
            return _wrong(type_, value, state)

        return check_again
    if type_ in TEXT:
        matches = TEXT[type_]

        def check_text(value: Any, owner: dict[str, Any], state: State) -> Faults:
            if type(value) is str and matches(value):
                return None
            return _wrong(type_, value, state)

        return check_text
    fits = CHECKS[type_]

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        return None if fits(value) else _wrong(type_, value, state)

    return check


def coded(codes: frozenset[str], value_set: str) -> Check:
    """One code of a required value set."""

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        if type(value) is str and value in codes:
            return None
        if type(value) is not str or not TEXT["code"](value):
            return _wrong("code", value, state)
        return state.fault("code-invalid", f"{shown(value)} is not {one_of(codes, value_set)}")

    return check


def one_of(codes: frozenset[str], value_set: str) -> str:
    """The codes themselves where they are few, else where they are listed."""
    if len(codes) <= 12:
        return f"one of {', '.join(sorted(codes))} ({value_set})"
    return f"one of the {len(codes)} codes of {value_set}"


def repeated(single: Check, companion_name: str) -> Check:
    """An array of values; null stands where the companion array has something."""

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        if type(value) is not list:
            return state.fault(
                "structure", f"must be an array, as it may repeat, not {json_type(value)}"
            )
        if not value:
            return state.fault("structure", "must not be an empty array: leave it out")
        faults: Faults = None
        for index, item in enumerate(value):
            if item is None:
                found = _missing(owner.get(companion_name), index, companion_name, state)
            else:
                found = single(item, owner, state)
            if found is not None:
                faults = (faults or []) + above(found, f"[{index}]")
        return faults

    return check


def _missing(beside: Any, index: int, name: str, state: State) -> Faults:
    if type(beside) is list and index < len(beside) and beside[index] is not None:
        return None
    return state.fault(
        "structure",
        f"null is allowed only where {name}[{index}] has an id or extension: leave it out",
    )


def companion(element: Check, name: str) -> Check:
    """`_birthDate`: id and extensions of a value, or extensions instead of it."""

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        faults = element(value, owner, state)
        if faults is None and "extension" not in value:
            if not value:
                return state.fault("structure", "must not be an empty object: leave it out")
            if name not in owner:
                text = f"without {name} this must have an extension, not only an id (ele-1)"
                return state.fault("structure", text)
        return faults

    return check


def companions(element: Check, name: str) -> Check:
    """`_given`: an array as long as `given` (or shorter), null where there is nothing to add."""

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        if type(value) is not list:
            return state.fault(
                "structure", f"must be an array beside {name}, not {json_type(value)}"
            )
        if not value:
            return state.fault("structure", "must not be an empty array: leave it out")
        values = owner.get(name)
        faults: Faults = None
        for index, item in enumerate(value):
            given = type(values) is list and index < len(values) and values[index] is not None
            found: Faults = None
            if item is not None:
                found = element(item, owner, state)
                if found is None and not item:
                    found = state.fault("structure", "must not be an empty object: give null")
            elif not given and (type(values) is not list or index >= len(values)):
                found = state.fault(
                    "structure", f"null is allowed only where {name}[{index}] has a value"
                )
            if found is not None:
                faults = (faults or []) + above(found, f"[{index}]")
        return faults

    return check


def _wrong(type_: str, value: Any, state: State) -> Faults:
    expected = EXPECTED[type_]
    if value is None:
        return state.fault("structure", f"null is not allowed: leave it out, or give {expected}")
    if type(value) is list:
        return state.fault("structure", f"must be one value, not an array: {expected}")
    kind = json_type(value)
    if kind != f"a {JSON_TYPES[type_]}":
        return state.fault("structure", f"{type_} cannot be {kind} in JSON: give {expected}")
    return state.fault("value", f"{shown(value)} is not a valid {type_}: give {expected}")
