"""The links of a searchset: what was applied, and the pages around this one.

Every link is a GET of an absolute URL, also after a search by POST; it repeats what was applied, so
that `_include`, `_elements` and the like hold on every page.
https://hl7.org/fhir/R4/search.html#conformance and https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.fhir.bundle import Link
from fhir_server.search import cursor
from fhir_server.search.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Edges:
    """The sort values (id last) of a page's first and last row where there is more beyond them."""

    before: Sequence[Any] | None = None
    after: Sequence[Any] | None = None


class Linker(msgspec.Struct, frozen=True):
    """Makes the links of one search: its URL without a query, its query, and what signs cursors."""

    url: str
    query: str
    grant: Grant
    key: bytes

    def current(self, text: str) -> Cursor | None:
        """The cursor of the page asked for; None for the first page. Raises MalformedRequest."""
        return cursor.verify(text, self._bound, self.grant, self.key) if text else None

    def links(
        self,
        edges: Edges,
        text: str,
        time: int | None,
        total: int | None,
        rows: tuple[int, int] = (0, 0),
    ) -> list[Link]:
        """`self`, and `first`, `previous` and `next` where there are such pages.

        `rows` are those before the page, and those up to its end, where they count.
        """
        found = [Link("self", self._address(text))]
        if text:
            found.append(Link("first", self._address("")))
        if edges.before is not None:
            found.append(Link("previous", self._turn(edges.before, True, time, total, rows[0])))
        if edges.after is not None:
            found.append(Link("next", self._turn(edges.after, False, time, total, rows[1])))
        return found

    @property
    def _bound(self) -> str:
        return f"{self.url}?{self.query}"

    def _turn(
        self,
        values: Sequence[Any],
        backwards: bool,
        time: int | None,
        total: int | None,
        before: int,
    ) -> str:
        place = Cursor(tuple(values), backwards, time, total, before)
        return self._address(cursor.sign(place, self._bound, self.grant, self.key))

    def _address(self, text: str) -> str:
        if not text:
            return self._bound if self.query else self.url
        return f"{self._bound}{'&' if self.query else ''}{cursor.PARAMETER}={text}"
