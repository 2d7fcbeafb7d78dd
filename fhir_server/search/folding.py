"""Text as searches compare it: without case, accents, punctuation and surplus blanks."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_PLAIN = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)*")
_APOSTROPHES = dict.fromkeys(map(ord, "'’ʼ`´"))
_ASCII = {
    sign: " " for sign in range(128) if unicodedata.category(chr(sign))[0] in "PZC"
} | _APOSTROPHES
"""What becomes of the signs of most texts, in one pass."""


@lru_cache(maxsize=16_384)
def fold(text: str) -> str:
    """The text in compatibility form, case folded, without marks over letters.

    Apostrophes vanish (O'Brien is OBrien); other punctuation, control signs and runs of white
    space become one blank. Dotless and dotted i are one letter, `ß` is `ss`.
    """
    lowered = text.casefold()
    if _PLAIN.fullmatch(lowered):
        return lowered
    if lowered.isascii():
        return " ".join(lowered.translate(_ASCII).split())
    letters: list[str] = []
    for sign in unicodedata.normalize("NFKD", lowered.translate(_APOSTROPHES)).casefold():
        category = unicodedata.category(sign)
        if category == "Mn":
            continue
        if category[0] in "PZC":
            letters.append(" ")
        else:
            letters.append("i" if sign == "ı" else sign)
    return " ".join("".join(letters).split())


@lru_cache(maxsize=16_384)
def composed(text: str) -> str:
    """The text as `:exact` compares it: to the letter, but composed (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


_SOUNDS = {
    sign: digit
    for digit, signs in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1)
    for sign in signs
}


@lru_cache(maxsize=4_096)
def sound(text: str) -> str:
    """The American Soundex of each word of a folded text, words in order; other signs stay."""
    return " ".join(_soundex(word) for word in fold(text).split())


def _soundex(word: str) -> str:
    if not word.isascii() or not word.isalpha():
        return word
    code = word[0]
    last = _SOUNDS.get(word[0])
    for sign in word[1:]:
        digit = _SOUNDS.get(sign)
        if digit is not None and digit != last:
            code += str(digit)
        if sign not in "hw":
            last = digit
    return (code + "000")[:4]
