"""Short ways to fold texts and to take their words find what the long ones do."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.search.folding import fold
from fhir_server.search.words import LONGEST, add_words

NAMES = frozenset(("display", "given"))
ASCII = st.text(st.characters(max_codepoint=127), max_size=30)


@given(ASCII)
@example(string.printable)
@example("'a`b^c")
def test_ascii_is_folded_as_any_text_is(text: str) -> None:
    assert fold(text) == fold(f"é {text}").removeprefix("e").strip()


@given(ASCII | st.text(max_size=30))
@example("Final")
@example("8480-6")
@example("É" * 200)
@example("x" * 200)
def test_words_are_those_of_the_folded_text(text: str) -> None:
    narrative: dict[str, None] = {}
    texts: dict[str, None] = {}
    add_words("code", {"display": text, "url": "no"}, NAMES, narrative, texts)
    assert list(texts) == list(dict.fromkeys(word[:LONGEST] for word in fold(text).split()))
    assert not narrative


def test_words_lie_at_any_depth() -> None:
    named = {"extension": [{"display": "inner"}]}
    for name, value, found in (
        ("display", "Outer", ["outer"]),
        ("given", ["One", None, "Two"], ["one", "two"]),
        ("_given", [named, None], ["inner"]),
        ("_given", [None, named], ["inner"]),
        ("coding", [{"display": "A"}, {"display": "B"}], ["a", "b"]),
        ("code", {"coding": [{"display": "A"}], "display": "B"}, ["b", "a"]),
        ("active", True, []),
    ):
        narrative: dict[str, None] = {}
        texts: dict[str, None] = {}
        add_words(name, value, NAMES, narrative, texts)
        assert list(texts) == found
        assert not narrative
    add_words("text", {"status": "generated", "div": "<div>Told</div>"}, NAMES, narrative, texts)
    assert list(narrative) == ["told"]
