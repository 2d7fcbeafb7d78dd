"""`_filter`: a logical expression of conditions (https://hl7.org/fhir/R4/search_filter.html).

`not` binds before `and`, `and` before `or`. A path is a parameter, or references followed to one:
`subject.name co "pet"`, `subject[birthdate lt 1950].name sw "d"`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.conditions import Chain, Compared, Condition, Either, Every, Not
from fhir_server.search.criteria import unknown
from fhir_server.search.registry import Parameter, Registry

NAME = "_filter"
MAX_DEPTH = 30
MAX_CONDITIONS = 200
"""Comparisons of one expression, each counted for every type that a chain leads through."""

OPERATORS = (
    *("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb"),
    *("pr", "po", "ss", "sb", "in", "ni", "re"),
)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\() | (?P<close>\)) | (?P<start>\[) | (?P<end>\]\.?)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<path>[A-Za-z_][\w-]*(?::[A-Z]\w*)?(?:\.[A-Za-z_][\w-]*(?::[A-Z]\w*)?)*)(?=[\s()\[\]]|$)
    | (?P<value>[^\s()\[\]"]+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str
    text: str
    at: int


def parse_filter(type_: str, text: str, registry: Registry) -> Condition:
    """The condition that `_filter=text` puts on resources of the type.

    Raises MalformedRequest with the place where the text is no filter expression, and
    UnsupportedParameter for a parameter that the type does not have.
    """
    words = _words(text)
    return _Reader(registry, words, len(text)).whole(type_)


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise _fault("a text in double quotes does not end", at)
        kind = match.lastgroup or ""
        found.append(_Word(kind, match[kind], match.start(kind)))
        at = match.end()
    return found


@dataclass(slots=True)
class _Reader:
    registry: Registry
    words: list[_Word]
    size: int
    at: int = 0
    conditions: int = 0

    def whole(self, type_: str) -> Condition:
        found = self._either((type_,), 0)
        if self.at < len(self.words):
            raise self._expected("'and', 'or' or the end")
        return found[type_]

    def _either(self, types: tuple[str, ...], depth: int) -> dict[str, Condition]:
        return self._joined("or", Either, self._every, types, depth)

    def _every(self, types: tuple[str, ...], depth: int) -> dict[str, Condition]:
        return self._joined("and", Every, self._one, types, depth)

    def _joined(
        self,
        word: str,
        make: Callable[[tuple[Condition, ...]], Condition],
        below: Callable[[tuple[str, ...], int], dict[str, Condition]],
        types: tuple[str, ...],
        depth: int,
    ) -> dict[str, Condition]:
        sides = [below(types, depth)]
        while self._is(word):
            self.at += 1
            sides.append(below(types, depth))
        if len(sides) == 1:
            return sides[0]
        shared = [type_ for type_ in types if all(type_ in side for side in sides)]
        return {type_: make(tuple(side[type_] for side in sides)) for type_ in shared}

    def _one(self, types: tuple[str, ...], depth: int) -> dict[str, Condition]:
        """A comparison, `not (...)` or brackets, for those of the types that know it."""
        if depth > MAX_DEPTH:
            raise _fault(f"is nested more than {MAX_DEPTH} deep", self._place())
        negated = self._is("not") and self._kind(1) == "open"
        if negated:
            self.at += 1
        if self._kind() == "open":
            self.at += 1
            found = self._either(types, depth + 1)
            self._take("close", "')'")
            if negated:
                return {type_: Not(condition) for type_, condition in found.items()}
            return found
        path = self._take("path", "a parameter").text.split(".")
        return self._path(types, path, depth)

    def _path(self, types: tuple[str, ...], path: list[str], depth: int) -> dict[str, Condition]:
        """What the rest of a path says of those of the types that have its first parameter."""
        (code, _, narrowed), *rest = path[0].partition(":"), *path[1:]
        parameters = self._parameters(types, code)
        bracket = not rest and self._kind() == "start"
        if not rest and not bracket:
            if narrowed:
                raise _fault(f"'{path[0]}' is no parameter", self._place())
            return self._compared(parameters)
        references = {
            type_: parameter
            for type_, parameter in parameters.items()
            if parameter.type == "reference"
        }
        if not references:
            raise UnsupportedParameter(
                f"{NAME}: {code} is no reference; only references can be followed to '.'",
                expression=f"http.{NAME}",
            )
        targets = {
            target: None
            for parameter in references.values()
            for target in parameter.targets or self.registry.definitions.resource_types
            if narrowed in ("", target)
        }
        there = self._there(tuple(targets), rest, bracket, depth)
        return {
            type_: Chain(
                reference, tuple((t, c) for t, c in there.items() if self._leads(reference, t))
            )
            for type_, reference in references.items()
            if any(self._leads(reference, target) for target in there)
        }

    def _there(
        self, targets: tuple[str, ...], rest: list[str], bracket: bool, depth: int
    ) -> dict[str, Condition]:
        if not bracket:
            return self._path(targets, rest, depth + 1)
        self.at += 1
        inside = self._either(targets, depth + 1)
        end = self._take("end", "']'")
        if not end.text.endswith("."):
            return inside
        path = self._take("path", "a parameter").text.split(".")
        beyond = self._path(targets, path, depth + 1)
        return {
            type_: Every((condition, beyond[type_]))
            for type_, condition in inside.items()
            if type_ in beyond
        }

    def _leads(self, reference: Parameter, target: str) -> bool:
        return not reference.targets or target in reference.targets

    def _parameters(self, types: tuple[str, ...], code: str) -> dict[str, Parameter]:
        found = {
            type_: parameter
            for type_ in types
            if (parameter := self.registry.find(type_, code)) is not None
        }
        if not found:
            # never an UnknownParameter: half a filter must not match everything
            text = str(unknown(types[0], code, self.registry, NAME)) if types else "leads nowhere"
            raise UnsupportedParameter(f"{NAME}: {text}", expression=f"http.{NAME}")
        return found

    def _compared(self, parameters: dict[str, Parameter]) -> dict[str, Condition]:
        operator = self._take("path", f"one of {', '.join(OPERATORS)}")
        if operator.text not in OPERATORS:
            raise _fault(f"'{operator.text[:20]}' is none of {', '.join(OPERATORS)}", operator.at)
        if self._kind() not in ("string", "path", "value"):
            raise self._expected("a value")
        word = self.words[self.at]
        self.at += 1
        self.conditions += len(parameters)
        if self.conditions > MAX_CONDITIONS:
            raise _fault(f"has more than {MAX_CONDITIONS} comparisons", word.at)
        quoted = word.kind == "string"
        value = _unquoted(word) if quoted else word.text
        return {
            type_: Compared(parameter, operator.text, value, quoted)
            for type_, parameter in parameters.items()
        }

    def _is(self, text: str) -> bool:
        return self._kind() == "path" and self.words[self.at].text == text

    def _kind(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.words[at].kind if at < len(self.words) else ""

    def _place(self) -> int:
        return self.words[self.at].at if self.at < len(self.words) else self.size

    def _take(self, kind: str, wanted: str) -> _Word:
        if self._kind() != kind:
            raise self._expected(wanted)
        self.at += 1
        return self.words[self.at - 1]

    def _expected(self, wanted: str) -> MalformedRequest:
        return _fault(f"{wanted} is expected", self._place())


def _unquoted(word: _Word) -> str:
    try:
        return str(json.loads(word.text))
    except ValueError:
        raise _fault("a text in double quotes is written as in JSON", word.at) from None


def _fault(text: str, at: int) -> MalformedRequest:
    return MalformedRequest(f"{NAME}: at character {at + 1}: {text}", expression=f"http.{NAME}")
