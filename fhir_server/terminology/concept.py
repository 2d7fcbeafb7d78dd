"""One concept of a code system, wherever the system lies.

https://hl7.org/fhir/R4/codesystem.html#concept
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fhir_server.search.folding import fold

RETIRED = frozenset(("retired", "inactive"))
"""Values of the property `status` that take a concept out of use; deprecated ones stay in it."""


class Property(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A property's value; `kind` is its JSON name (`valueCode`, `valueBoolean`, ...)."""

    code: str
    kind: str
    value: Any

    @property
    def text(self) -> str:
        """The value as a filter compares it; of a Coding, its code."""
        return value_text(self.value)


class Designation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Another way to say the concept; `use` is a Coding as JSON, None where none is given."""

    value: str
    language: str = ""
    use: dict[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """The element `designation` of CodeSystem and ValueSet."""
        found: dict[str, Any] = {"language": self.language} if self.language else {}
        if self.use:
            found["use"] = self.use
        return {**found, "value": self.value}


class Concept(msgspec.Struct, frozen=True, gc=False):
    """A code and what is known of it; `above` has all ancestors where the source keeps them."""

    code: str
    display: str = ""
    definition: str = ""
    parents: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    designations: tuple[Designation, ...] = ()
    above: tuple[str, ...] = ()

    def values(self, code: str) -> Iterator[Property]:
        """The values of a property."""
        return (one for one in self.properties if one.code == code)

    @property
    def inactive(self) -> bool:
        """Whether it is no longer in use."""
        return any(
            (one.code == "inactive" and one.value is True)
            or (one.code == "status" and one.value in RETIRED)
            for one in self.properties
        )

    @property
    def abstract(self) -> bool:
        """Whether it only gathers others and is not to be chosen itself."""
        return any(one.code == "notSelectable" and one.value is True for one in self.properties)

    def words(self) -> list[str]:
        """What a text filter looks through: words of code, display and designations, folded."""
        texts = [self.code, self.display, *(one.value for one in self.designations)]
        return list(dict.fromkeys(word for text in texts for word in fold(text).split()))

    def says(self, wanted: Sequence[str]) -> bool:
        """Whether each wanted word, folded, begins one of its words."""
        words = self.words()
        return all(any(word.startswith(one) for word in words) for one in wanted)

    def display_in(self, language: str, own: str = "") -> str:
        """The display in a language (`fr`, `fr-CA`), the plain one where there is none.

        `own` is the language of the code system itself.
        """
        if not language or speaks(own, language):
            return self.display
        for exact in (True, False):
            for one in self.designations:
                if speaks(one.language, language, exact=exact):
                    return one.value
        return self.display


def speaks(tag: str, wanted: str, *, exact: bool = False) -> bool:
    """Whether a language tag is the wanted one, or unless `exact`, of the same language."""
    tag, wanted = tag.lower(), wanted.lower()
    return tag == wanted or (not exact and bool(tag) and tag[:2] == wanted[:2] != "")


def value_text(value: Any) -> str:
    """A property's value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("code", ""))
    return str(value)


def properties_of(row: dict[str, Any]) -> tuple[Property, ...]:
    """The properties in a concept of a CodeSystem."""
    return tuple(
        Property(one.get("code", ""), name, value)
        for one in row.get("property", ())
        for name, value in one.items()
        if name.startswith("value")
    )


def designations_of(row: dict[str, Any]) -> tuple[Designation, ...]:
    """The designations in a concept of a CodeSystem or ValueSet."""
    return tuple(
        Designation(one.get("value", ""), one.get("language", ""), one.get("use"))
        for one in row.get("designation", ())
    )
