"""Regular expressions of value set filters, matched in time that the text's length bounds.

Python's `re` may take for ever over a pattern that a caller made for that. Here the pattern becomes
a net of states that is walked once, all states at a time. What a net cannot do (back references,
look-around) is refused. https://hl7.org/fhir/R4/valueset-filter-operator.html: the whole value must
match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from fhir_server.errors import Unprocessable

_parser: Any = re._parser  # type: ignore[attr-defined]
_constants: Any = re._constants  # type: ignore[attr-defined]

LONGEST = 1_000
"""Characters of a pattern."""

MOST_STATES = 5_000

Test = Callable[[str], bool]
_CATEGORIES: dict[str, Test] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda sign: not sign.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda sign: not sign.isspace(),
    "CATEGORY_WORD": lambda sign: sign.isalnum() or sign == "_",
    "CATEGORY_NOT_WORD": lambda sign: not (sign.isalnum() or sign == "_"),
}


class Pattern:
    """A compiled pattern. Raises Unprocessable for one that is none or cannot be bounded."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise Unprocessable(f"A regex of more than {LONGEST} characters is not evaluated")
        self._text = text
        self._tests: list[Test | None] = [None]
        self._next: list[list[int]] = [[]]
        try:
            parsed = _parser.parse(text)
            self._start, self._end = self._sequence(parsed)
        except (re.error, OverflowError, RecursionError) as error:
            raise Unprocessable(f"'{text[:80]}' is no regular expression: {error}") from None

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        states = self._closed([self._start])
        for sign in text:
            reached = []
            for state in states:
                test = self._tests[state]
                if test is not None and test(sign):
                    reached += self._next[state]
            if not reached:
                return False
            states = self._closed(reached)
        return self._end in states

    def _closed(self, states: Iterable[int]) -> set[int]:
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                if self._tests[state] is None:
                    waiting += self._next[state]
        return found

    def _state(self, test: Test | None = None) -> int:
        if len(self._tests) >= MOST_STATES:
            raise Unprocessable(f"The regex '{self._text[:80]}' is too large to evaluate")
        self._tests.append(test)
        self._next.append([])
        return len(self._tests) - 1

    def _one(self, test: Test) -> tuple[int, int]:
        start, end = self._state(test), self._state()
        self._next[start].append(end)
        return start, end

    def _sequence(self, nodes: Any) -> tuple[int, int]:
        start = end = self._state()
        for node in nodes:
            first, last = self._node(*node)
            self._next[end].append(first)
            end = last
        return start, end

    def _node(self, kind: Any, given: Any) -> tuple[int, int]:
        match str(kind):
            case "LITERAL":
                return self._one(chr(given).__eq__)
            case "NOT_LITERAL":
                return self._one(chr(given).__ne__)
            case "ANY":
                return self._one("\n".__ne__)
            case "IN":
                return self._one(_one_of(given))
            case "SUBPATTERN":
                _, add, remove, inner = given
                if add or remove:
                    raise self._refused("flags")
                return self._sequence(inner)
            case "BRANCH":
                return self._branch([self._sequence(inner) for inner in given[1]])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(*given)
            case "AT":
                # Anchors say what is so anyway where they stand at the ends.
                if str(given) in ("AT_BEGINNING", "AT_END", "AT_BEGINNING_STRING", "AT_END_STRING"):
                    return self._sequence(())
        raise self._refused(str(kind).lower().replace("_", " "))

    def _branch(self, ways: list[tuple[int, int]]) -> tuple[int, int]:
        start, end = self._state(), self._state()
        for first, last in ways:
            self._next[start].append(first)
            self._next[last].append(end)
        return start, end

    def _repeat(self, least: int, most: Any, inner: Any) -> tuple[int, int]:
        start = end = self._state()
        for _ in range(least):
            first, last = self._sequence(inner)
            self._next[end].append(first)
            end = last
        stop = self._state()
        if most is _constants.MAXREPEAT:
            first, last = self._sequence(inner)
            loop = self._state()
            self._next[end].append(loop)
            self._next[loop] += [first, stop]
            self._next[last].append(loop)
            return start, stop
        for _ in range(int(most) - least):
            first, last = self._sequence(inner)
            self._next[end] += [first, stop]
            end = last
        self._next[end].append(stop)
        return start, stop

    def _refused(self, what: str) -> Unprocessable:
        return Unprocessable(
            f"The regex '{self._text[:80]}' has {what}, which is not evaluated here",
            code="not-supported",
        )


def _one_of(given: Any) -> Test:
    tests: list[Test] = []
    negated = False
    for kind, value in given:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                tests.append(chr(value).__eq__)
            case "RANGE":
                tests.append(_between(*value))
            case "CATEGORY":
                tests.append(_CATEGORIES[str(value)])
    return lambda sign: any(test(sign) for test in tests) is not negated


def _between(low: int, high: int) -> Test:
    return lambda sign: low <= ord(sign) <= high


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """The pattern of a text, kept for the next time."""
    return Pattern(text)
