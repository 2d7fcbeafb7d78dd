"""Codes from one system in another: https://hl7.org/fhir/R4/conceptmap-operation-translate.html"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.terminology.library import Library, canonical

Json = dict[str, Any]

REVERSED = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
NO_MATCH = frozenset(("unmatched", "disjoint"))
"""Equivalences that say that there is no translation."""

MOST_MAPS = 8
"""Maps that one leads to by `unmapped.url` after another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A code to translate. `dependencies` are (element, Coding) that are known of the source."""

    system: str
    code: str
    version: str = ""
    target_system: str = ""
    reverse: bool = False
    dependencies: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One translation; `source` is the map that it comes from, `products` are its `product`s."""

    equivalence: str
    concept: Json
    source: str
    products: Sequence[Json] = ()

    @property
    def found(self) -> bool:
        """Whether it is a translation, and not the word that there is none."""
        return self.equivalence not in NO_MATCH


async def translate(maps: Sequence[Json], asked: Asked, library: Library) -> list[Match]:
    """The translations by these maps, in their order, each once."""
    found: list[Match] = []
    for resource in maps:
        for match in await _by_map(resource, asked, library, ()):
            if all(
                (one.concept, one.equivalence) != (match.concept, match.equivalence)
                for one in found
            ):
                found.append(match)
    return found


def applies(resource: Json, source: str, target: str, reverse: bool) -> bool:
    """Whether a map is from the value set `source` to `target`; empty is any."""
    if reverse:
        source, target = target, source
    return _is(resource, "source", source) and _is(resource, "target", target)


def _is(resource: Json, end: str, wanted: str) -> bool:
    named = resource.get(f"{end}Canonical") or resource.get(f"{end}Uri") or ""
    return not wanted or canonical(named).url == canonical(wanted).url


async def _by_map(
    resource: Json, asked: Asked, library: Library, trail: tuple[str, ...]
) -> list[Match]:
    url = resource.get("url", "")
    found: list[Match] = []
    for group in resource.get("group", ()):
        near, far = ("target", "source") if asked.reverse else ("source", "target")
        if asked.system and group.get(near) and group[near] != asked.system:
            continue
        if asked.target_system and group.get(far) and group[far] != asked.target_system:
            continue
        if asked.version and group.get(f"{near}Version", asked.version) != asked.version:
            continue
        rows = _reversed(group, asked) if asked.reverse else _forward(group, asked)
        matches = [
            Match(equivalence, coding, url, products) for equivalence, coding, products in rows
        ]
        if not matches and not asked.reverse:
            matches = await _unmapped(group, asked, url, library, trail)
        found += matches
    return found


Row = tuple[str, Json, Sequence[Json]]


def _forward(group: Json, asked: Asked) -> Iterator[Row]:
    for element in group.get("element", ()):
        if element.get("code") != asked.code:
            continue
        for target in element.get("target", ()):
            if _depends(target, asked):
                coding = _coding(group, "target", target)
                yield target.get("equivalence", ""), coding, target.get("product", ())


def _reversed(group: Json, asked: Asked) -> Iterator[Row]:
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            if target.get("code") == asked.code and _depends(target, asked):
                equivalence = target.get("equivalence", "")
                yield (
                    REVERSED.get(equivalence, equivalence),
                    _coding(group, "source", element),
                    (),
                )


def _coding(group: Json, end: str, row: Json) -> Json:
    coding: Json = {}
    if group.get(end):
        coding["system"] = group[end]
    if group.get(f"{end}Version"):
        coding["version"] = group[f"{end}Version"]
    return coding | {name: row[name] for name in ("code", "display") if name in row}


def _depends(target: Json, asked: Asked) -> bool:
    """Whether all that a mapping depends on is known to be so."""
    return all(
        any(
            element == need.get("property")
            and coding.get("code") == need.get("value")
            and coding.get("system", "") in ("", need.get("system") or coding.get("system", ""))
            for element, coding in asked.dependencies
        )
        for need in target.get("dependsOn", ())
    )


async def _unmapped(
    group: Json, asked: Asked, url: str, library: Library, trail: tuple[str, ...]
) -> list[Match]:
    """What the group says of codes that it does not have."""
    unmapped = group.get("unmapped", {})
    match unmapped.get("mode"):
        case "provided":
            return [Match("equal", _coding(group, "target", {"code": asked.code}), url)]
        case "fixed":
            return [Match("inexact", _coding(group, "target", unmapped), url)]
        case "other-map" if len(trail) < MOST_MAPS:
            other = unmapped.get("url", "")
            resource = await library.concept_map(*canonical(other))
            if resource is not None and other not in trail:
                return await _by_map(resource, asked, library, (*trail, other))
    return []
