"""Strings: https://hl7.org/fhir/R4/search.html#string.

A search without modifier finds what begins with its text, both folded (see `folding`); `:contains`
finds it anywhere, `:exact` compares to the letter (composed to NFC). HumanName and Address answer
with each of their parts, `text` included, but never with parts joined together.

Keys: `code=folded` and `code:exact=text`. A long text is kept as overlapping pieces, the first
under `code=`, the others under `code+=`: any search text of up to `LONGEST` characters is found
exactly, and a longer one is refused (`:exact` has no such bound).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import Collector, shortened
from fhir_server.search.folding import composed, fold, sound
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, begins, keyed, missing, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

PIECE = 600
"""Characters of a folded text under one key."""

LONGEST = 200
"""Characters that a search for the beginning or the middle of a text may have, folded."""

MODIFIERS = ("exact", "contains")
_NAME = ("text", "family", "given", "prefix", "suffix")
_ADDRESS = ("text", "line", "city", "district", "state", "postalCode", "country")


class String:
    """The kind of parameters of type `string`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code, keys = parameter.code, out.keys
        out.seen[code] = None
        for text in texts(nodes):
            index_text(code, text, keys)
            keys[f"{code}:exact={shortened(composed(text))}"] = None

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        match modifier:
            case "":
                return any_of([match_text(code, value) for value in values])
            case "exact":
                wanted = [shortened(composed(unescape(value))) for value in values]
                return keyed([f"{code}:exact={text}" for text in wanted])
            case "contains":
                return any_of([_contains(code, value) for value in values])
            case "missing":
                return missing(code, parameter.stored, values)
            case _:
                raise unsupported(code, "string", modifier, MODIFIERS)

    def component_keys(self, parameter: Parameter, node: Node) -> list[str]:
        """What a composite's key says of the node: the beginning of its folded text."""
        return [fold(text)[:PIECE] for text in texts([node])]

    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]:
        """The beginning that a composite's key must have here."""
        return [(_folded(parameter.code, value), True)]


class Phonetic:
    """Names by their sound: the Soundex of each part's words, as a whole."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code, keys = parameter.code, out.keys
        out.seen[code] = None
        for text in texts(nodes):
            keys[f"{code}={shortened(sound(text))}"] = None

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        if modifier == "missing":
            return missing(code, parameter.stored, values)
        if modifier:
            raise unsupported(code, "string (by sound)", modifier, ())
        return keyed([f"{code}={shortened(sound(_folded(code, value)))}" for value in values])


def texts(nodes: Sequence[Node]) -> Iterator[str]:
    """The texts of the values: a string itself, each part of a HumanName or an Address."""
    for type_, value in nodes:
        if type(value) is str:
            yield value
        elif type(value) is dict:
            for part in _NAME if type_ == "HumanName" else _ADDRESS if type_ == "Address" else ():
                found = value.get(part)
                if type(found) is list:
                    yield from (text for text in found if text is not None)
                elif found is not None:
                    yield found


def index_text(code: str, text: str, keys: dict[str, None]) -> None:
    """Add the folded text under `code`, in pieces where it is long."""
    folded = fold(text)
    keys[f"{code}={folded[:PIECE]}"] = None
    for start in range(PIECE - LONGEST, len(folded) - LONGEST, PIECE - LONGEST):
        keys[f"{code}+={folded[start : start + PIECE]}"] = None


def match_text(code: str, value: str) -> Filter:
    """The filter for texts that begin with the value."""
    return begins(f"{code}={_folded(code, value)}")


def _contains(code: str, value: str) -> Filter:
    folded = re.escape(_folded(code, value))
    return {"k": {"$regex": f"^{re.escape(code)}\\+?=.*{folded}", "$options": "s"}}


def _folded(code: str, value: str) -> str:
    folded = fold(unescape(value))
    if not folded:
        raise MalformedRequest(f"{code}={shown(value)} has no letter or digit to look for")
    if len(folded) > LONGEST:
        raise MalformedRequest(
            f"The text for {code} has {len(folded)} characters; at most {LONGEST} can be looked "
            "for. Use :exact for the whole text."
        )
    return folded
