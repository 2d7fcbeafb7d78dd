"""The plain paths that nearly all SearchParameter expressions are.

A path is a chain of steps. What is not a plain path is left to the FHIRPath engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """One step: `name` goes to an element, `as` and `resolves` narrow by type, `at` by position.

    `equals` narrows to elements whose child `name` is `value`; `root` begins at the resource.
    """

    kind: str
    name: str = ""
    value: str = ""


Path = tuple[Step, ...]

_STEP = re.compile(
    r"""\.?(?:
      as\((?P<as>\w+)\) | ofType\((?P<of>\w+)\)
      | where\(resolve\(\)\ is\ (?P<resolves>\w+)\)
      | where\((?P<field>\w+)\s*=\s*'(?P<value>[^']*)'\)
      | (?P<root>%resource|%context)
      | (?P<name>\w+)(?:\[(?P<at>\d+)\])?
    )""",
    re.VERBOSE,
)
_AS = re.compile(r"\s+as\s+(\w+)\s*$")


def terms(expression: str) -> list[str]:
    """The sides of the `|` that lie outside all brackets and quotes, without blanks around them."""
    found, depth, quoted, start = [], 0, False, 0
    for at, sign in enumerate(expression):
        if sign == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "|" and not depth:
            found.append(expression[start:at].strip())
            start = at + 1
    return [*found, expression[start:].strip()]


def parse(term: str, type_: str, is_a: Callable[[str, str], bool]) -> Path | None:
    """The steps from a resource of `type_`, () for the resource itself; None for no plain path.

    A leading type name is dropped. Of a term about another type nothing is said here: see `about`.
    """
    steps = _steps(term)
    if steps is None:
        return None
    if steps and steps[0].kind == "name" and steps[0].name[:1].isupper():
        return steps[1:] if is_a(type_, steps[0].name) else None
    return steps


def parse_relative(term: str) -> Path | None:
    """The steps of a composite's component, from the element that the composite is about."""
    return _steps(term)


def about(term: str) -> str:
    """The type that a term begins with, empty where it begins with none."""
    match = re.match(r"[\s(]*([A-Z]\w*)", term)
    return match[1] if match else ""


def _steps(term: str) -> Path | None:
    term = term.strip()
    narrowed = _AS.search(term)
    if narrowed:
        inner = _steps(term[: narrowed.start()])
        return None if inner is None else (*inner, Step("as", narrowed[1]))
    if term.startswith("("):
        closing = _closing(term)
        rest = _chain(term[closing + 1 :])
        inner = _steps(term[1:closing])
        if inner is None or rest is None:
            return None
        return inner + rest
    return _chain(term)


def _closing(term: str) -> int:
    depth = 0
    for at, sign in enumerate(term):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return at
    return len(term)


def _chain(text: str) -> Path | None:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (at and text[at] != "."):
            return None
        at = match.end()
        if match["as"] or match["of"]:
            steps.append(Step("as", match["as"] or match["of"]))
        elif match["resolves"]:
            steps.append(Step("resolves", match["resolves"]))
        elif match["field"]:
            steps.append(Step("equals", match["field"], match["value"]))
        elif match["root"]:
            steps.append(Step("root"))
        else:
            if at < len(text) and text[at] == "(":
                return None
            steps.append(Step("name", match["name"]))
            if match["at"] is not None:
                steps.append(Step("at", match["at"]))
    return tuple(steps)
