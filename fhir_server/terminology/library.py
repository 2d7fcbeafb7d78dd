"""Where code systems, value sets and concept maps are found by canonical URL and version."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from fhir_server.terminology.base import Base, Entry
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.computed import SYSTEMS
from fhir_server.terminology.memory import MemoryCodeSystem

Json = dict[str, Any]

MOST_CONCEPTS = 200_000
"""Concepts that the decoded code systems of a library may have together."""


class Library(Protocol):
    """Finds what there is. A `version` of "" is the newest one."""

    async def code_system(self, url: str, version: str = "") -> CodeSystem | None:
        """The code system, with its supplements; None where it is not known."""

    async def value_set(self, url: str, version: str = "") -> Json | None:
        """The value set; None where it is not known."""

    async def concept_map(self, url: str, version: str = "") -> Json | None:
        """The concept map; None where it is not known."""

    async def concept_maps(self) -> Sequence[Json]:
        """All concept maps."""

    async def versions(self, type_: str, url: str) -> list[str]:
        """The versions that are known of a canonical URL, the newest last."""


class Canonical(NamedTuple):
    """A canonical URL taken apart."""

    url: str
    version: str


def canonical(text: str) -> Canonical:
    """URL and version of `url|version`; the version is empty where there is none."""
    url, _, version = text.partition("|")
    return Canonical(url, version.partition("#")[0])


def newest(versions: Iterable[str]) -> str:
    """The newest of these versions, numbers compared as numbers."""
    return max(versions, key=order, default="")


def order(version: str) -> tuple[tuple[int, int, str], ...]:
    """What versions are sorted by: `4.0.10` comes after `4.0.9`."""
    return tuple(
        (1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part)
        for part in re.split(r"(\d+)", version)
        if part
    )


def is_version(known: str, wanted: str) -> bool:
    """Whether a version is the wanted one, or for SNOMED CT, of the wanted edition."""
    return known == wanted or (
        wanted.startswith("http://snomed.info/") and known.startswith(f"{wanted}/version/")
    )


def choose(entries: Sequence[Entry], version: str) -> Entry | None:
    """The entry of this version, the newest one where none is named."""
    fit = [entry for entry in entries if not version or is_version(entry.version, version)]
    return max(fit, key=lambda entry: order(entry.version), default=None)


class BaseLibrary:
    """The library of what the program itself brings; nothing in it ever waits."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self._systems: OrderedDict[tuple[str, str], MemoryCodeSystem] = OrderedDict()
        self._supplements: dict[str, list[Json]] | None = None

    async def code_system(self, url: str, version: str = "") -> CodeSystem | None:
        """As `Library.code_system`; those of UCUM, BCP 13 and BCP 47 have no versions."""
        if url in SYSTEMS:
            return SYSTEMS[url]
        entry = choose(self.base.find("CodeSystem", url), version)
        return self.system(entry) if entry else None

    def system(self, entry: Entry) -> MemoryCodeSystem:
        """The code system of an entry, decoded once as long as it is in use."""
        kept = self._systems.get(entry.key)
        if kept is None:
            kept = MemoryCodeSystem(self.base.resource(entry), self.supplements(entry.url))
            self._systems[entry.key] = kept
            while len(self._systems) > 1 and sum(map(len, self._systems.values())) > MOST_CONCEPTS:
                self._systems.popitem(last=False)
        self._systems.move_to_end(entry.key)
        return kept

    def supplements(self, url: str) -> list[Json]:
        """The supplements that the base brings to a code system."""
        if self._supplements is None:
            self._supplements = {}
            for entry in self.base.entries("CodeSystem"):
                if b'"supplements":"' in self.base.raw(entry):
                    resource = self.base.resource(entry)
                    to = canonical(resource.get("supplements", "")).url
                    self._supplements.setdefault(to, []).append(resource)
        return self._supplements.get(url, [])

    async def value_set(self, url: str, version: str = "") -> Json | None:
        """As `Library.value_set`."""
        return self._resource("ValueSet", url, version)

    async def concept_map(self, url: str, version: str = "") -> Json | None:
        """As `Library.concept_map`."""
        return self._resource("ConceptMap", url, version)

    async def concept_maps(self) -> Sequence[Json]:
        """As `Library.concept_maps`."""
        return [self.base.resource(entry) for entry in self.base.entries("ConceptMap")]

    async def versions(self, type_: str, url: str) -> list[str]:
        """As `Library.versions`."""
        return sorted((entry.version for entry in self.base.find(type_, url)), key=order)

    def _resource(self, type_: str, url: str, version: str) -> Json | None:
        entry = choose(self.base.find(type_, url), version)
        return self.base.resource(entry) if entry else None


class WithGiven:
    """A library with resources beside it that came with the request; they go first."""

    def __init__(self, library: Library, given: Sequence[Json]) -> None:
        self._library = library
        self._given = given
        self._systems: dict[int, MemoryCodeSystem] = {}

    async def code_system(self, url: str, version: str = "") -> CodeSystem | None:
        """As `Library.code_system`."""
        found = self._find("CodeSystem", url, version)
        if found is None:
            return await self._library.code_system(url, version)
        kept = self._systems.get(id(found))
        if kept is None:
            kept = self._systems[id(found)] = MemoryCodeSystem(found)
        return kept

    async def value_set(self, url: str, version: str = "") -> Json | None:
        """As `Library.value_set`."""
        return self._find("ValueSet", url, version) or await self._library.value_set(url, version)

    async def concept_map(self, url: str, version: str = "") -> Json | None:
        """As `Library.concept_map`."""
        found = self._find("ConceptMap", url, version)
        return found or await self._library.concept_map(url, version)

    async def concept_maps(self) -> Sequence[Json]:
        """As `Library.concept_maps`."""
        own = [one for one in self._given if one.get("resourceType") == "ConceptMap"]
        return [*own, *await self._library.concept_maps()]

    async def versions(self, type_: str, url: str) -> list[str]:
        """As `Library.versions`."""
        own = [one.get("version", "") for one in self._given if _is(one, type_, url)]
        return sorted({*own, *await self._library.versions(type_, url)}, key=order)

    def _find(self, type_: str, url: str, version: str) -> Json | None:
        for one in self._given:
            if _is(one, type_, url) and (not version or one.get("version") == version):
                return one
        return None


def _is(resource: Json, type_: str, url: str) -> bool:
    return bool(url) and resource.get("resourceType") == type_ and resource.get("url") == url
