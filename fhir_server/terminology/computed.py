"""Code systems that are a grammar, not a list: UCUM, media types, language tags.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence

from fhir_server.errors import TooCostly
from fhir_server.fhir import ucum
from fhir_server.terminology.code_system import Head, Query
from fhir_server.terminology.concept import Concept

UCUM = "http://unitsofmeasure.org"
MEDIA_TYPES = "urn:ietf:bcp:13"
LANGUAGES = "urn:ietf:bcp:47"

LONGEST = 256

_MEDIA_TYPE = re.compile(
    r"""[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9*][A-Za-z0-9!#$&^_.+-]{0,126}
    (?:[ ]*;[ ]*[A-Za-z0-9!#$&^_.+-]+=(?:[A-Za-z0-9!#$&^_.+:/-]+|"[^"\\]*"))*""",
    re.VERBOSE,
)
_LANGUAGE = re.compile(
    r"""(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})
    (?:-[A-Za-z]{4})?
    (?:-(?:[A-Za-z]{2}|[0-9]{3}))?
    (?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*
    (?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*
    (?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+""",
    re.VERBOSE,
)


class ComputedCodeSystem:
    """A system whose codes are told by their form."""

    listed = False

    def __init__(self, head: Head, knows: Callable[[str], bool]) -> None:
        self.head = head
        self._knows = knows

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """As `CodeSystem.find`; the display of a code is the code."""
        return {
            code: Concept(code, code)
            for code in codes
            if 0 < len(code) <= LONGEST and self._knows(code)
        }

    def select(self, query: Query) -> AsyncIterator[Concept]:
        """Raises TooCostly: there is no end of codes."""
        raise TooCostly(
            f"{self.head.url} is a grammar with codes without end; it cannot be listed",
            expression="ValueSet.compose.include",
        )

    async def count(self, query: Query, most: int) -> int:
        """More than can be counted."""
        return most + 1

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """None: there is no hierarchy."""
        return frozenset()

    async def children(self, code: str) -> list[str]:
        """None."""
        return []


def _is_unit(code: str) -> bool:
    return ucum.validate(code) is None


def _head(url: str, name: str, title: str, *, case_sensitive: bool = True) -> Head:
    return Head(url, "", name, title, "en", "complete", case_sensitive)


SYSTEMS: dict[str, ComputedCodeSystem] = {
    system.head.url: system
    for system in (
        ComputedCodeSystem(
            _head(UCUM, "UCUM", "Unified Code for Units of Measure"),
            _is_unit,
        ),
        ComputedCodeSystem(
            _head(MEDIA_TYPES, "MimeTypes", "Media types (BCP 13)", case_sensitive=False),
            lambda code: _MEDIA_TYPE.fullmatch(code) is not None,
        ),
        ComputedCodeSystem(
            _head(LANGUAGES, "Languages", "Language tags (BCP 47)", case_sensitive=False),
            lambda code: _LANGUAGE.fullmatch(code) is not None,
        ),
    )
}
