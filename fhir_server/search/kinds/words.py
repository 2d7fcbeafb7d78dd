"""`_text` and `_content`: https://hl7.org/fhir/R4/search.html#text.

A value is words that must all be there; `OR`, `AND`, `NOT` and brackets may be used, `"..."` holds
words together (all of them, in any order), `word*` is the beginning of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import Collector
from fhir_server.search.folding import fold
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, shown, unescape, unsupported
from fhir_server.search.words import LONGEST

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

MAX_WORDS = 100
_TOKEN = re.compile(r'\s*(?:([()])|"([^"]*)"|([^\s()"]+))')


class Words:
    """The kind of `_text` (fields `n`) and of `_content` (fields `n` and `t`)."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        """Nothing: the words of a resource are gathered in a walk of their own."""

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        if modifier == "missing" and list(values) in (["true"], ["false"]):
            none: Filter = {"$and": [{field: None} for field in self.fields]}
            return none if list(values) == ["true"] else {"$nor": [none]}
        if modifier:
            raise unsupported(code, "string (of words)", modifier, ())
        return any_of([_Reader(code, unescape(value), self.fields).whole() for value in values])


@dataclass(slots=True)
class _Reader:
    code: str
    text: str
    fields: tuple[str, ...]
    words: int = 0

    def whole(self) -> Filter:
        tokens = [match.groups() for match in _TOKEN.finditer(self.text)]
        stack = list(reversed(tokens))
        found = self._either(stack, 0)
        if stack:
            raise self._fault("has a bracket too many")
        return found

    def _either(self, stack: list[tuple[str | None, ...]], depth: int) -> Filter:
        if depth > 20:
            raise self._fault("is nested too deep")
        sides = [self._every(stack, depth)]
        while stack and stack[-1][2] == "OR":
            stack.pop()
            sides.append(self._every(stack, depth))
        return any_of(sides)

    def _every(self, stack: list[tuple[str | None, ...]], depth: int) -> Filter:
        parts: list[Filter] = []
        while stack and stack[-1][0] != ")" and stack[-1][2] != "OR":
            if stack[-1][2] == "AND":
                stack.pop()
            else:
                parts.append(self._one(stack, depth))
        if not parts:
            raise self._fault("has no word to look for")
        return parts[0] if len(parts) == 1 else {"$and": parts}

    def _one(self, stack: list[tuple[str | None, ...]], depth: int) -> Filter:
        bracket, phrase, word = stack.pop()
        if word == "NOT":
            if not stack or stack[-1][2] in ("AND", "OR", "NOT"):
                raise self._fault("has a NOT before nothing")
            return {"$nor": [self._one(stack, depth)]}
        if bracket == "(":
            found = self._either(stack, depth + 1)
            if not stack or stack.pop()[0] != ")":
                raise self._fault("has a bracket that does not end")
            return found
        if bracket == ")":
            raise self._fault("has a bracket too many")
        text = (phrase if word is None else word) or ""
        words = self._folded(text)
        parts = [self._has(one) for one in words]
        if word is not None and word.endswith("*"):
            parts[-1] = self._begins(words[-1])
        return parts[0] if len(parts) == 1 else {"$and": parts}

    def _folded(self, text: str) -> list[str]:
        found = [word[:LONGEST] for word in fold(text).split()]
        if not found:
            raise self._fault(f"has no letter or digit in {shown(text)!r}")
        self.words += len(found)
        if self.words > MAX_WORDS:
            raise self._fault(f"has more than {MAX_WORDS} words")
        return found

    def _has(self, word: str) -> Filter:
        return any_of([{field: word} for field in self.fields])

    def _begins(self, word: str) -> Filter:
        inside = {"$elemMatch": {"$gte": word, "$lt": word + "\U0010ffff"}}
        return any_of([{field: inside} for field in self.fields])

    def _fault(self, text: str) -> MalformedRequest:
        return MalformedRequest(
            f"{self.code}={shown(self.text)} {text}", expression=f"http.{self.code}"
        )
