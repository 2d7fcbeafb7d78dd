"""What is asked of a code system, wherever its concepts lie.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fhir_server.terminology.concept import Concept


class Filter(NamedTuple):
    """One `ValueSet.compose.include.filter`."""

    property: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """Which concepts of a system are wanted.

    `words` are folded beginnings of words; `limit` None is all that there are.
    """

    filters: tuple[Filter, ...] = ()
    words: tuple[str, ...] = ()
    active_only: bool = False
    skip: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What a code system says of itself.

    `properties` maps code -> type; `filters` are further names to filter by, None is any.
    """

    url: str
    version: str = ""
    name: str = ""
    title: str = ""
    language: str = ""
    content: str = "complete"
    case_sensitive: bool = True
    hierarchy: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    filters: frozenset[str] | None = frozenset()

    @property
    def complete(self) -> bool:
        """Whether a code that it does not have is no code of it."""
        return self.content == "complete"

    @property
    def canonical(self) -> str:
        """`url|version`, the URL alone where there is no version."""
        return f"{self.url}|{self.version}" if self.version else self.url


class CodeSystem(Protocol):
    """A code system wherever its concepts lie."""

    @property
    def head(self) -> Head:
        """What it says of itself."""

    @property
    def listed(self) -> bool:
        """Whether its concepts can be listed (those of UCUM cannot)."""

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """The concepts of these codes, as asked for -> concept; what it has not is left out."""

    def select(self, query: Query) -> AsyncIterator[Concept]:
        """The concepts that meet the query, in the system's order.

        Raises Unprocessable for a filter that it cannot answer.
        """

    async def count(self, query: Query, most: int) -> int:
        """How many meet the query (skip and limit aside); `most` + 1 where there are more."""

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """The codes of all that subsume it, itself not among them."""

    async def children(self, code: str) -> list[str]:
        """The codes directly below one."""
