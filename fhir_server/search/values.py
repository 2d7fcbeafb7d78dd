"""The text of search values: escapes, parts, prefixes (https://hl7.org/fhir/R4/search.html)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.kinds import Filter

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

_ESCAPE = re.compile(r"\\([,$|\\])")
_CUTS = {sign: re.compile(rf"\\.|{re.escape(sign)}", re.DOTALL) for sign in ",$|"}
"""What takes a text apart: the sign, and whatever a backslash stands before."""


def unescape(text: str) -> str:
    """The text without the backslashes before `,` `$` `|` and the backslash itself.

    MalformedRequest where it has a NUL: no FHIR value has one, and MongoDB's patterns cannot.
    """
    if "\0" in text:
        raise MalformedRequest(f"{shown(text)!r} has a NUL character, which no value can have")
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def parts(text: str, separator: str) -> list[str]:
    """The parts of a still escaped text at each `separator` that no backslash stands before."""
    if "\\" not in text:
        return text.split(separator)
    found, at = [], 0
    for cut in _CUTS[separator].finditer(text):
        if cut.group() == separator:
            found.append(text[at : cut.start()])
            at = cut.end()
    return [*found, text[at:]]


def code_of(text: str) -> str:
    """The code of a token as it stands in a key: what comes behind the system and its `|`."""
    return parts(text, "|")[-1] if "\\" in text else text.rpartition("|")[2]


def shown(text: str) -> str:
    """The text as a message quotes it: not more than its beginning."""
    return text if len(text) <= 80 else f"{text[:80]}\u2026"


def prefixed(text: str) -> tuple[str, str]:
    """The prefix, `eq` where there is none, and the rest of a number, date or quantity."""
    if text[:2] in PREFIXES:
        return text[:2], text[2:]
    return "eq", text


def missing(code: str, stored: Sequence[str], values: Sequence[str]) -> Filter:
    """The filter of `:missing=true` and `:missing=false`; `stored` are the codes of its keys."""
    if list(values) not in (["true"], ["false"]):
        raise MalformedRequest(
            f"{code}:missing takes true or false, not {shown(','.join(values))!r}"
        )
    if values[0] == "true":
        return {"s": {"$nin": list(stored)} if len(stored) > 1 else {"$ne": stored[0]}}
    return {"s": {"$in": list(stored)} if len(stored) > 1 else stored[0]}


def unsupported(code: str, type_: str, modifier: str, known: Sequence[str]) -> UnsupportedParameter:
    """The error for a modifier that parameters of this type do not have."""
    names = ", ".join(f":{name}" for name in (*known, "missing"))
    return UnsupportedParameter(
        f"The modifier :{modifier} does not go with {code}, a parameter of type {type_}; "
        f"it takes {names}"
    )


def keyed(keys: Sequence[str]) -> Filter:
    """The filter for any of the keys."""
    unique = list(dict.fromkeys(keys))
    return {"k": unique[0]} if len(unique) == 1 else {"k": {"$in": unique}}


def begins(prefix: str) -> Filter:
    """The filter for a key that begins so: one range of an index, never a regular expression."""
    return {"k": {"$elemMatch": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}}}


def any_of(filters: Sequence[Filter]) -> Filter:
    """The disjunction of filters, each once.

    MongoDB makes an `$in` of one value of alternatives that are the same, and reads it with the
    bounds of another field where the whole query is an `$or` (seen in 6.0.5): rows go missing.
    """
    flat: list[Filter] = []
    for filter_ in filters:
        flat += filter_["$or"] if filter_.keys() == {"$or"} else (filter_,)
    unique = list({repr(filter_): filter_ for filter_ in flat}.values())
    return unique[0] if len(unique) == 1 else {"$or": unique}
