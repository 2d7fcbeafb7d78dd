"""What `_include` and `_revinclude` bring in beside the matches of a page.

Each step is a search of its own under the caller's grant, so that nothing comes in which the caller
could not have asked for. What is not there, or not shown, is skipped.
https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fhir_server.access.grant import Action
from fhir_server.errors import Gone, NotFound
from fhir_server.exchange import FhirRequest
from fhir_server.search.compile import CLINICAL
from fhir_server.search.include import (
    Include,
    canonical_codes,
    canonicals,
    named_by,
    pointed_at,
)
from fhir_server.services import Services
from fhir_server.store.resources import PageQuery, Version

MAX_INCLUDED = 1000
"""The most resources that are included on one page; more is told by a warning."""

MAX_ROUNDS = 16
"""The most steps that `:iterate` takes away from the matches."""

Place = tuple[str, str, str]
"""Type, id, and the version where a reference names one (else empty)."""


@dataclass(slots=True)
class Included:
    """The resources brought in, each once, and what could not be done."""

    versions: list[Version] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def included(
    matches: Sequence[Version],
    includes: Sequence[Include],
    request: FhirRequest,
    services: Services,
) -> Included:
    """What the includes bring in. The matches must have their keys."""
    found = Included()
    if not includes or not matches:
        return found
    gathering = _Gathering(request, services, found, {(v.type, v.id, "") for v in matches})
    fresh = await gathering.round(matches, includes)
    repeated = [include for include in includes if include.iterate]
    for _ in range(MAX_ROUNDS):
        if not fresh or not repeated or found.warnings:
            return found
        fresh = await gathering.round(fresh, repeated)
    if fresh and repeated:
        found.warnings.append(f"includes were followed {MAX_ROUNDS} steps, but lead further")
    return found


@dataclass(slots=True)
class _Gathering:
    request: FhirRequest
    services: Services
    found: Included
    seen: set[Place]

    async def round(self, sources: Sequence[Version], includes: Iterable[Include]) -> list[Version]:
        """What one step from the sources brings in that was not there yet."""
        before = len(self.found.versions)
        forward: dict[Place, None] = {}
        for include in includes:
            if include.reverse:
                await self._pointing(sources, include)
            else:
                forward.update(dict.fromkeys(self._places(sources, include)))
                await self._named(sources, include)
        await self._fetch([place for place in forward if place not in self.seen])
        return self.found.versions[before:]

    def _places(self, sources: Sequence[Version], include: Include) -> Iterable[Place]:
        for source in sources:
            codes = include.followed(source.type, self.services.registry)
            if codes and source.keys is not None:
                yield from pointed_at(source.keys.k, codes, include.target)

    async def _named(self, sources: Sequence[Version], include: Include) -> None:
        """Resources whose canonical URL the sources name."""
        registry = self.services.registry
        wanted: dict[str, dict[tuple[str, str], None]] = {}
        for source in sources:
            codes = include.followed(source.type, registry)
            for code in canonical_codes(source.type, codes, registry):
                parameter = registry.find(source.type, code)
                names = canonicals(source.keys.k, (code,)) if source.keys else ()
                for type_ in parameter.targets if parameter and names else ():
                    if include.target in ("", type_) and registry.find(type_, "url"):
                        wanted.setdefault(type_, {}).update(dict.fromkeys(names))
        for type_, named in wanted.items():
            keys = sorted({f"url={url}" for url, _ in named})
            for version in await self._by_keys(type_, keys):
                url, number = named_by(version.keys.k) if version.keys else ("", "")
                if (url, "") in named or (url, number) in named:
                    self._add_once(version)

    async def _fetch(self, places: Sequence[Place]) -> None:
        room = self._room()
        if len(places) > room:
            self._full()
            places = places[:room]
        request, store = self.request, self.services.store
        known = set(self.services.definitions.resource_types)
        current = [(type_, id_) for type_, id_, version in places if not version and type_ in known]
        versions = await store.read_many(current, request.grant, request.session)
        for type_, id_, number in places:
            version = versions.get((type_, id_))
            if number and number.isascii() and number.isdigit() and type_ in known:
                try:
                    version = await store.vread(
                        type_, id_, int(number), request.grant, request.session
                    )
                except (NotFound, Gone):
                    continue
            if version is not None:
                self._add(version, number)

    async def _pointing(self, sources: Sequence[Version], include: Include) -> None:
        """Resources of the include's source type that point at the sources."""
        codes = include.followed(include.source, self.services.registry)
        targets = [
            f"{source.type}/{source.id}"
            for source in sources
            if not include.target or include.target == source.type
        ]
        keys = [f"{code}={target}" for code in codes for target in targets]
        for version in await self._by_keys(include.source, keys):
            self._add_once(version)
        named = canonical_codes(include.source, codes, self.services.registry)
        for source in sources if named else ():
            url, number = named_by(source.keys.k) if source.keys else ("", "")
            if not url or include.target not in ("", source.type):
                continue
            for version in await self._by_keys(include.source, [f"{c}={url}" for c in named]):
                names = canonicals(version.keys.k, named) if version.keys else ()
                if (url, "") in names or (url, number) in names:
                    self._add_once(version)

    async def _by_keys(self, type_: str, keys: Sequence[str]) -> Sequence[Version]:
        """Resources of a type that have one of the keys, as many as there is room for."""
        if not keys or not self.request.grant.allows(type_, Action.SEARCH):
            return ()
        filter_ = {"k": keys[0] if len(keys) == 1 else {"$in": list(keys)}}
        room = self._room()
        page = await self.services.store.page(
            PageQuery(type_, filter_, tuple(CLINICAL.sort.items()), room + 1, keys=True),
            self.request.grant,
            self.request.session,
        )
        if len(page.versions) > room:
            self._full()
        return page.versions[:room]

    def _add_once(self, version: Version) -> None:
        if (version.type, version.id, "") not in self.seen:
            self._add(version, "")

    def _room(self) -> int:
        return MAX_INCLUDED - len(self.found.versions)

    def _add(self, version: Version, number: str) -> None:
        self.seen.add((version.type, version.id, number))
        self.found.versions.append(version)

    def _full(self) -> None:
        self.found.warnings.append(
            f"more than {MAX_INCLUDED} resources would be included; the rest was left out. "
            "Ask for smaller pages by _count"
        )
