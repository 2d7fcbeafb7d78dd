"""A value set made ready: what it includes and excludes, as tests and as lists.

https://hl7.org/fhir/R4/valueset.html#compositions. Within one include, system, filters and value
sets must all agree; includes add up; an exclude takes away, whoever included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from fhir_server.errors import TooCostly, Unprocessable
from fhir_server.terminology.code_system import CodeSystem, Filter, Query
from fhir_server.terminology.concept import Concept, designations_of
from fhir_server.terminology.filters import every

Json = dict[str, Any]

MOST_EXAMINED = 100_000
"""Candidates that are looked at for one answer where a list must be gone through."""


class UnknownSystem(Unprocessable):
    """A code system that is not known here, where its concepts are needed."""


class Member(NamedTuple):
    """A concept in a value set. `row` is what the value set itself says of it, if anything."""

    system: str
    version: str
    concept: Concept
    row: Json = {}

    @property
    def display(self) -> str:
        """The display that the value set gives it, else the code system's."""
        return str(self.row.get("display") or self.concept.display)


class Component:
    """One include or exclude."""

    def __init__(
        self,
        url: str,
        version: str,
        system: CodeSystem | None,
        rows: Sequence[Json] | None,
        filters: tuple[Filter, ...],
        sets: Sequence[Compiled],
    ) -> None:
        self.url = url
        self.version = system.head.version if system else version
        self.system = system
        self.filters = filters
        self.sets = sets
        self.rows = None if rows is None else {row.get("code", ""): row for row in rows}
        caseless = system is not None and not system.head.case_sensitive
        self._lower = {code.lower(): code for code in self.rows or ()} if caseless else {}

    @property
    def plain(self) -> bool:
        """Whether it is a question to one code system alone."""
        return bool(self.url) and self.rows is None and not self.sets

    def row(self, code: str) -> Json | None:
        """What the value set lists under the code; None where it does not list it."""
        if self.rows is None:
            return None
        return self.rows.get(code) or self.rows.get(self._lower.get(code.lower(), "\0"))

    async def find(self, system: str | None, code: str) -> Member | bool | None:
        """The member of this code; False where there is none, None where nobody can tell.

        A `system` of None is any.
        """
        if not self.url:
            return await self._in_sets(system, code)
        if system is not None and system != self.url:
            return False
        row = self.row(code)
        if self.rows is not None and row is None:
            return False
        concept: Concept | None
        if self.system is None or (row is not None and not self.system.head.complete):
            if row is None:
                return None
            concept = _listed(row)
        else:
            found = await self.system.find((code,))
            concept = found.get(code)
            if concept is None:
                return False if self.system.head.complete else None
            if self.filters and not await (await every(self.system, self.filters))(concept):
                return False
        if self.sets:
            inside = await self._in_sets(self.url, concept.code)
            if not inside:
                return inside
        return Member(self.url, self.version, concept, row or {})

    async def _in_sets(self, system: str | None, code: str) -> Member | bool | None:
        """The member that all the value sets have."""
        first: Member | None = None
        unsure = False
        for one in self.sets:
            found = await one.find(system, code)
            if found is False:
                return False
            if isinstance(found, Member):
                first = first or found
                system = found.system
            else:
                unsure = True
        return None if unsure else first or False

    async def members(self, query: Query) -> AsyncIterator[Member]:
        """Its members that have the query's words and are active where that is asked.

        Raises UnknownSystem and TooCostly where they cannot be listed.
        """
        if not self.url:
            async for member in self.sets[0].members(query):
                if len(self.sets) == 1 or await self._in_sets(member.system, member.concept.code):
                    yield member
        elif self.rows is not None:
            async for member in self._listed(query):
                if not self.sets or await self._in_sets(self.url, member.concept.code):
                    yield member
        else:
            async for concept in self._known().select(
                Query(self.filters, query.words, query.active_only)
            ):
                if not self.sets or await self._in_sets(self.url, concept.code):
                    yield Member(self.url, self.version, concept)

    def _known(self) -> CodeSystem:
        if self.system is None:
            raise unknown_system(self.url, self.version)
        return self.system

    async def _listed(self, query: Query) -> AsyncIterator[Member]:
        rows = self.rows or {}
        codes = list(rows)
        found = await self.system.find(codes) if self.system else {}
        for code in codes:
            row = rows[code]
            concept = found.get(code)
            if concept is None:
                if self.system is not None and self.system.head.complete:
                    continue  # the system says that there is no such code
                concept = _listed(row)
            if query.active_only and concept.inactive:
                continue
            if query.words and not (
                _listed(row).says(list(query.words)) or concept.says(list(query.words))
            ):
                continue
            yield Member(self.url, self.version, concept, row)


class Compiled:
    """A value set ready to be asked."""

    def __init__(
        self,
        resource: Json,
        includes: Sequence[Component],
        excludes: Sequence[Component],
    ) -> None:
        self.resource = resource
        self.includes = includes
        self.excludes = excludes
        self.active_only = resource.get("compose", {}).get("inactive") is False

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.resource.get("url") or self.resource.get("id") or "the value set")

    async def find(self, system: str | None, code: str) -> Member | bool | None:
        """The member of this code; False where there is none, None where nobody can tell."""
        unsure = False
        for component in self.includes:
            found = await component.find(system, code)
            if isinstance(found, Member):
                return await self._kept(found)
            unsure = unsure or found is None
        return None if unsure else False

    async def _kept(self, member: Member) -> Member | bool | None:
        """The member, unless it is excluded."""
        if self.active_only and member.concept.inactive:
            return False
        unsure = False
        for component in self.excludes:
            found = await component.find(member.system, member.concept.code)
            if isinstance(found, Member):
                return False
            unsure = unsure or found is None
        return None if unsure else member

    async def members(self, query: Query) -> AsyncIterator[Member]:
        """All members once, in the order of the includes.

        Raises UnknownSystem and TooCostly where they cannot be listed.
        """
        query = Query(words=query.words, active_only=query.active_only or self.active_only)
        seen: set[tuple[str, str]] = set()
        for component in self.includes:
            async for member in component.members(query):
                key = (member.system, member.concept.code)
                if key in seen:
                    continue
                if len(seen) >= MOST_EXAMINED:
                    raise too_many(self.name)
                seen.add(key)
                if not self.excludes or isinstance(await self._kept(member), Member):
                    yield member


def too_many(name: str) -> TooCostly:
    """The refusal to go through a list without end."""
    return TooCostly(
        f"{name} has more than {MOST_EXAMINED:,} codes to go through; narrow it by a filter"
    )


def unknown_system(url: str, version: str = "") -> UnknownSystem:
    """The error for a code system whose concepts are needed but not here."""
    name = f"{url}|{version}" if version else url
    return UnknownSystem(
        f"The code system {name[:200]} is not known here; load it with "
        "`fhir-server terminology load`, or PUT it as a CodeSystem",
        code="not-found",
    )


def _listed(row: Json) -> Concept:
    return Concept(row.get("code", ""), row.get("display", ""), designations=designations_of(row))
