"""What the types alone tell before anything is evaluated: of steps, inputs and arguments.

A SemanticFault says what can never be there, with its place in the expression.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import NoReturn

from fhir_server.fhir.fhirpath.errors import SemanticFault
from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.parts import Types
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.fhir.fhirpath.syntax import Call

_STRINGS = frozenset(("System.String",))
_NUMBERS = frozenset(("System.Integer", "System.Decimal", "System.Quantity"))


def step_types(types: Types, name: str, strict: bool, position: int) -> Types:
    """The types of the elements `name` of what has these types; None where that is not known.

    `strict` raises SemanticFault where none of them has such an element.
    """
    if types is None:
        return None
    found: dict[str, None] = {}
    known = True
    for each in types:
        form = shape(each)
        if each == "System.TypeInfo" and name in ("namespace", "name"):
            found["System.String"] = None
        elif name in form.steps:
            found.update(dict.fromkeys(step.shape.name for step in form.steps[name]))
        elif form.primitive and name == "value":
            return None
        elif form.abstract and not each.startswith("System."):
            known = False
    if found:
        return tuple(found) if known and not any(shape(n).dynamic for n in found) else None
    if known and strict and types:
        _no_element(types, name, position)
    return None


def _no_element(types: tuple[str, ...], name: str, position: int) -> NoReturn:
    choices = sorted({step for each in types for step in shape(each).steps})
    near = get_close_matches(name, choices, 1)
    near += [c for c in choices if name.startswith(c) and name[len(c) :][:1].isupper()]
    hint = f"; did you mean '{near[-1]}'?" if near else ""
    raise SemanticFault(
        f"{' or '.join(types[:3])} has no element '{name}'{hint}", position=position
    )


def arity(tree: Call, low: int, high: int) -> None:
    """Raise SemanticFault unless the call has `low` to `high` arguments."""
    count = len(tree.arguments)
    if not low <= count <= high:
        wanted = str(low) if low == high else f"{low} to {high}"
        raise SemanticFault(
            f"{tree.name}() takes {wanted} arguments, not {count}", position=tree.position
        )


def check_input(function: Function, types: Types, tree: Call) -> None:
    """Raise SemanticFault for a function of strings or numbers on what can never be one."""
    if not types or not function.takes:
        return
    for each in types:
        form = shape(each)
        if form.primitive or (not form.known and not each.startswith("System.")):
            return
        if each in (_STRINGS if function.takes == "string" else _NUMBERS) or form.quantity:
            return
    raise SemanticFault(
        f"{tree.name}() needs a {function.takes}, not {' or '.join(types[:3])}",
        position=tree.position,
    )
