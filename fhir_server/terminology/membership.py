"""Whether a code is in a value set, at once: for validation's bindings.

What the program itself brings is answered from sets that are made once, when they are first asked
for. Sets that cannot be listed (UCUM, media types), or that need a code system that is not here,
are asked code by code. Abstract concepts, which only gather others, are no choice for a record.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from fhir_server.errors import FhirError
from fhir_server.fhir import definitions as r4
from fhir_server.terminology import base
from fhir_server.terminology.code_system import Query
from fhir_server.terminology.concept import speaks
from fhir_server.terminology.library import BaseLibrary, Library, canonical
from fhir_server.terminology.memory import MemoryCodeSystem
from fhir_server.terminology.preparation import prepare
from fhir_server.terminology.value_set import Compiled, Member

Result = TypeVar("Result")
Codings = frozenset[tuple[str, str]]

MOST_LISTED = 20_000
"""Codes of a value set that is kept as a set."""


class Membership:
    """The value sets of the base. Unknown sets and undecidable codes are answered with None."""

    def __init__(self, library: Library | None = None) -> None:
        self._library: Library = library or BaseLibrary(base.load())
        self._codings: dict[str, Codings | None] = {}
        self._codes: dict[str, frozenset[str] | None] = {}
        self._compiled: dict[str, Compiled | None] = {}

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the value set (canonical, its version aside) has the code.

        `system` None is any system, as for an element of type code. None: nobody can tell here.
        """
        url = canonical(value_set).url
        known = self.codings(url)
        if known is not None:
            if system is not None:
                return (system, code) in known or self._otherwise(url, system, code)
            codes = self._codes.get(url)
            if codes is None:
                codes = self._codes[url] = frozenset(code for _, code in known)
            return code in codes or self._otherwise(url, system, code)
        compiled = self._ready(url)
        if compiled is None:
            return None
        found = _run(compiled.find(system, code))
        return None if found is None else _is_choice(found)

    def codings(self, value_set: str) -> Codings | None:
        """All (system, code) of the value set; None where it is not known or cannot be listed."""
        url = canonical(value_set).url
        if url not in self._codings:
            self._codings[url] = self._list(url)
        return self._codings[url]

    def displays(self, system: str, version: str, code: str, language: str) -> Sequence[str]:
        """How a code may be displayed, its own display first; empty where that cannot be told.

        It can for code systems that are in memory, in this version, and whose concept says
        something in the `language` (empty: in any).
        """
        known = _run(self._library.code_system(system, version))
        if not isinstance(known, MemoryCodeSystem):
            return ()
        concept = _run(known.find((code,))).get(code)
        if concept is None or not concept.display:
            return ()
        tags = [known.head.language or "en", *(one.language for one in concept.designations)]
        if language and not any(speaks(tag, language) for tag in tags if tag):
            return ()
        return concept.display, *(one.value for one in concept.designations)

    def _otherwise(self, url: str, system: str | None, code: str) -> bool:
        """Whether another spelling of the code is in, where case does not count."""
        compiled = self._ready(url)
        if compiled is None or not _has_caseless(compiled):
            return False
        return _is_choice(_run(compiled.find(system, code)))

    def _ready(self, url: str) -> Compiled | None:
        if url not in self._compiled:
            resource = _run(self._library.value_set(url))
            self._compiled[url] = None
            with suppress(FhirError):  # it may lead to what is not here
                self._compiled[url] = _run(prepare(resource, self._library)) if resource else None
        return self._compiled[url]

    def _list(self, url: str) -> Codings | None:
        compiled = self._ready(url)
        if compiled is None:
            return None

        async def gather() -> Codings | None:
            found = set()
            async for member in compiled.members(Query()):
                if not member.concept.abstract:
                    found.add((member.system, member.concept.code))
                if len(found) > MOST_LISTED:
                    return None
            return frozenset(found)

        try:
            return _run(gather())
        except FhirError:
            # R4's own table has some whose code system is not part of R4, such as currencies.
            published = r4.load().codings(url)
            if published is None:
                return None
            return frozenset((system, code) for system in published for code in published[system])


def _is_choice(found: Member | bool | None) -> bool:
    return isinstance(found, Member) and not found.concept.abstract


def _has_caseless(compiled: Compiled) -> bool:
    return any(
        (one.system is not None and not one.system.head.case_sensitive)
        or any(_has_caseless(inner) for inner in one.sets)
        for one in compiled.includes
    )


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never waits: nothing in the base does."""
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    work.close()
    raise RuntimeError("the base of the terminology has waited for something")
