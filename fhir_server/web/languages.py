"""Which language a page is in: the one that was chosen, else the browser's."""

from __future__ import annotations

from typing import Literal

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")
NAMES: dict[Language, str] = {"fr": "Français", "en": "English"}

MONTHS: dict[Language, tuple[str, ...]] = {
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août"),
        *("septembre", "octobre", "novembre", "décembre"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June", "July", "August"),
        *("September", "October", "November", "December"),
    ),
}


def language(chosen: str | None, header: str) -> Language:
    """The language for a choice (a cookie or parameter) and an Accept-Language header.

    English where the browser asks for neither.
    """
    for known in LANGUAGES:
        if chosen == known:
            return known
    best: Language = "en"
    weight = 0.0
    for part in header[:500].split(","):
        tag, _, rest = part.strip().partition(";")
        found = tag.strip().lower().partition("-")[0]
        given = _quality(rest)
        for known in LANGUAGES:
            if found == known and given > weight:
                best, weight = known, given
    return best


def shown_day(text: str, language: Language) -> str:
    """A FHIR date (a day, a month or a year) as people write it."""
    months = MONTHS[language]
    year, _, rest = text.partition("-")
    month, _, day = rest.partition("-")
    if not month.isdigit() or not 1 <= int(month) <= 12:
        return year
    name = f"{months[int(month) - 1]} {year}"
    return f"{int(day)} {name}" if day.isdigit() else name


def _quality(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
