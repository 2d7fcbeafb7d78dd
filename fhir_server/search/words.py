"""The words of a resource, for `_text` and `_content`.

A word is a run of letters and digits, folded as strings are. Those of the narrative lie in the
document's `n`, the others of its texts (strings and Markdown, not codes, ids or addresses) in `t`.
docs/adr/0008 says why they are neither in `k` nor in a text index.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import Any

from fhir_server.fhir.definitions import Definitions
from fhir_server.search.folding import fold

MOST = 20_000
"""Different words of a resource that are kept: those that come first."""

LONGEST = 100
"""Characters of a word that are kept."""

_SHORT = 200
_MARKUP = re.compile(r"<[^>]*>")
_NO_TEXT = frozenset(
    {"id", "url", "system", "reference", "path", "expression", "resourceType", "data"}
)
"""What is no prose, wherever it stands; `data` is base64 everywhere but in SampledData."""


@lru_cache(maxsize=4)
def text_names(definitions: Definitions) -> frozenset[str]:
    """The JSON properties that hold text for people in some type."""
    names = {
        name
        for type_ in definitions.types.values()
        for name, (_, code) in type_.json.items()
        if code in ("string", "markdown")
    }
    return frozenset(names - _NO_TEXT)


def add_words(
    name: str,
    value: Any,
    names: frozenset[str],
    narrative: dict[str, None],
    texts: dict[str, None],
) -> None:
    """Add the words of an element of a resource; `names` as by `text_names`."""
    nodes: list[dict[str, Any]]
    if type(value) is dict:
        nodes = [value]
    elif type(value) is list and type(value[0]) is dict and None not in value:
        nodes = [*value]
    else:
        nodes = [{name: value}]
    for node in nodes:  # which grows meanwhile
        for key, child in node.items():
            kind = type(child)
            if kind is str:
                if key in names:
                    if child.isalnum() and child.isascii():  # one word: a code, a name, a number
                        texts[child.lower()[:LONGEST]] = None
                    else:
                        texts |= _words(child)
                elif key == "div":
                    narrative |= _narrative_words(child)
            elif kind is dict:
                nodes.append(child)
            elif kind is list:
                for item in child:
                    if type(item) is dict:
                        nodes.append(item)
                    elif type(item) is str and key in names:
                        texts |= _words(item)


def kept(
    narrative: dict[str, None], texts: dict[str, None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words to keep of each; those of the narrative are not told a second time."""
    if not narrative:
        return (), tuple(texts)[:MOST]
    told = tuple(narrative)[:MOST]
    others = [word for word in texts if word not in narrative]
    return told, tuple(others)[: MOST - len(told)]


def _words(text: str) -> dict[str, None]:
    return _known(text) if len(text) <= _SHORT else _cut(text)


def _cut(text: str) -> dict[str, None]:
    # beyond a certain length no two texts are the same: they would only fill fold's memory
    folded = fold(text) if len(text) <= _SHORT else fold.__wrapped__(text)
    return dict.fromkeys(word[:LONGEST] for word in folded.split())


_known = lru_cache(maxsize=16_384)(_cut)


def _narrative_words(div: str) -> dict[str, None]:
    return _cut(unescape(_MARKUP.sub(" ", div)))
