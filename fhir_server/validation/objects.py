"""Check of one JSON object against the shape of its type: names, cardinalities, choices.

The values are left to the check that the shape has for each property.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias

from fhir_server.validation.faults import Check, Faults, State, above, json_type, shown

__all__ = ["Choice", "Further", "Required", "Shape", "check_object", "repeated"]

Further: TypeAlias = Callable[[dict[str, Any], State], Faults]
"""A rule on the object as a whole, such as ext-1."""


class Required(NamedTuple):
    element: str
    names: tuple[str, ...]
    """JSON properties of which one must be there."""
    form: str
    """What to give, for the message."""


class Choice(NamedTuple):
    element: str
    names: frozenset[str]
    """Its JSON properties, those with an underscore too."""
    least: int
    """Properties of an object that has two of these, and the rest of what is required."""


class Shape:
    """What objects of a type look like. Filled after its check exists: types contain types."""

    __slots__ = ("checks", "choices", "further", "required", "ruled", "steps", "type_name")

    def __init__(self, type_name: str, ruled: bool = False) -> None:
        self.type_name = type_name
        self.ruled = ruled
        """Whether there are invariants, or definitions of its own, to be looked at later."""
        self.checks: dict[str, Check] = {}
        self.steps: dict[str, str] = {}
        """JSON property -> FHIRPath step to it: `.name`, `.value.ofType(Quantity)`."""
        self.required: list[tuple[str, Required]] = []
        self.choices: list[Choice] = []
        self.further: list[Further] = []

    def unknown(self, name: str, state: State) -> Faults:
        """The fault of a property that the type has not, with the nearest one that it has."""
        if state.is_full:
            return state.fault("structure", "")
        known = [n for n in self.checks if not n.startswith("_")]
        variants = [n for n in known if self.steps[n].startswith(f".{name}.ofType(")]
        if variants:
            some = ", ".join(variants[:4]) + (" ..." if len(variants) > 4 else "")
            advice = f"the type belongs to the name: {some}"
        else:
            same = [n for n in known if n.lower() == name.lower()]
            near = same or get_close_matches(name[:64], known, 1, 0.7)
            advice = f"did you mean {near[0]}?" if near else f"{self.type_name} has no such element"
        return state.fault("structure", f"{shown(name)} is not known here: {advice}", f".{name}")

    def missing(self, required: Required, value: dict[str, Any], state: State) -> Faults:
        """The fault of an element that must be there, unless another form of it is."""
        for name in required.names:
            if name in value or f"_{name}" in value:
                return None
        text = f"{required.element} is required in {self.type_name}: give {required.form}"
        return state.fault("required", text, f".{required.element}")

    def form(self, value: dict[str, Any], state: State, faulty: bool = False) -> Faults:
        """What is missing, and choices made twice; the names of the properties alone tell.

        `faulty` when the object has faults already.
        """
        faults: Faults = None
        for name, rule in self.required:
            if name not in value:
                found = self.missing(rule, value, state)
                if found is not None:
                    faults = found if faults is None else faults + found
        for choice in self.choices:
            # What else is required is there (or a fault is), so two variants need this many.
            if (len(value) >= choice.least or faulty or faults is not None) and (
                len(value.keys() & choice.names) > 1
            ):
                found = _one_choice(choice, value, state)
                if found is not None:
                    faults = found if faults is None else faults + found
        return faults


def check_object(shape: Shape, sparse: bool = False) -> Check:
    """The check of a type's objects, reading `shape` as it is when the check runs.

    `sparse` objects may be empty or have only an id: resources, and what stands beside a value.
    """
    get, required, choices, further, ruled = (
        shape.checks.get,
        shape.required,
        shape.choices,
        shape.further,
        shape.ruled,
    )

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        if type(value) is not dict:
            return _no_object(shape.type_name, value, state)
        if len(value) < 2 and not sparse and (not value or "id" in value):
            return state.fault(
                "structure", f"must have more than an id (ele-1): fill this {shape.type_name}"
            )
        if ruled:
            state.ruled = True
        faults: Faults = None
        for name, item in value.items():
            test = get(name)
            if test is None:
                found = shape.unknown(name, state)
            else:
                found = test(item, value, state)
                if found is not None:
                    above(found, shape.steps[name])
            if found is not None:
                faults = found if faults is None else faults + found
        if required or choices:
            found = shape.form(value, state, faults is not None)
            if found is not None:
                faults = found if faults is None else faults + found
        for look in further:
            found = look(value, state)
            if found is not None:
                faults = found if faults is None else faults + found
        return faults

    return check


def repeated(single: Check) -> Check:
    """An array of objects."""

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        if type(value) is not list:
            kind = json_type(value)
            return state.fault("structure", f"must be an array, as it may repeat, not {kind}")
        if not value:
            return state.fault("structure", "must not be an empty array: leave it out")
        faults: Faults = None
        for index, item in enumerate(value):
            found = single(item, owner, state)
            if found is not None:
                above(found, f"[{index}]")
                faults = found if faults is None else faults + found
        return faults

    return check


def _no_object(type_name: str, value: Any, state: State) -> Faults:
    if value is None:
        return state.fault("structure", "null is not allowed: leave it out")
    kind = json_type(value)
    return state.fault("structure", f"must be an object of type {type_name}, not {kind}")


def _one_choice(choice: Choice, value: dict[str, Any], state: State) -> Faults:
    present = sorted({name.removeprefix("_") for name in choice.names & value.keys()})
    if len(present) < 2:
        return None
    text = f"{choice.element}[x] has one type only: keep one of {', '.join(present)}"
    return state.fault("structure", text, f".{choice.element}")
