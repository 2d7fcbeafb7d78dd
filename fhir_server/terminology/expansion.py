"""The expansion of a value set: https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.errors import NotFound, TooCostly
from fhir_server.search.folding import fold
from fhir_server.terminology.code_system import Query
from fhir_server.terminology.concept import Designation, speaks
from fhir_server.terminology.library import canonical
from fhir_server.terminology.nesting import Node, nested
from fhir_server.terminology.value_set import Compiled, Component, Member, unknown_system

Json = dict[str, Any]

MOST_CODES = 10_000
"""Codes of one answer. A larger expansion is asked for in pages, or refused as too costly."""

MOST_COUNTED = 20_000
"""Codes that are counted for `total`, which is left out where there are more."""

UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
LANGUAGES = "urn:ietf:bcp:47"


@dataclass(frozen=True, slots=True)
class Options:
    """What `$expand` was asked for; see the operation for each.

    `designations` are the tokens (system, code) of the ones wanted; `echo` is what
    `expansion.parameter` repeats.
    """

    text: str = ""
    offset: int = 0
    count: int | None = None
    language: str = ""
    include_designations: bool = False
    designations: tuple[tuple[str, str], ...] = ()
    include_definition: bool = False
    active_only: bool = False
    nested: bool = True
    for_ui: bool = False
    excluded: frozenset[str] = frozenset()
    echo: tuple[Json, ...] = field(default=())

    @property
    def paged(self) -> bool:
        """Whether less than everything is wanted."""
        return self.count is not None or self.offset > 0


@dataclass(slots=True)
class _Found:
    members: list[Member]
    total: int | None


async def expand(value_set: Compiled, options: Options, identifier: str, timestamp: str) -> Json:
    """The ValueSet with its expansion.

    Raises TooCostly beyond `MOST_CODES`, and UnknownSystem for a code system that is not here.
    """
    if options.count is not None and options.count > MOST_CODES:
        raise TooCostly(
            f"count={options.count} is more than the {MOST_CODES:,} codes of one answer; "
            "ask for pages by offset and count",
            expression="http.count",
        )
    found = await _find(value_set, options)
    expansion: Json = {"identifier": identifier, "timestamp": timestamp}
    if _is_open(value_set.includes):
        expansion["extension"] = [{"url": UNCLOSED, "valueBoolean": True}]
    if found.total is not None:
        expansion["total"] = found.total
    if options.paged:
        expansion["offset"] = options.offset
    if parameters := [*options.echo, *_versions(value_set)]:
        expansion["parameter"] = parameters
    several = len({one.version for one in found.members}) > len(
        {one.system for one in found.members}
    )
    nodes = [
        Node(one.system, one.concept.code, one.concept.parents, _contains(one, options, several))
        for one in found.members
    ]
    is_tree = options.nested and not options.text and not options.paged
    if rows := nested(nodes) if is_tree else [node.row for node in nodes]:
        expansion["contains"] = rows
    return {**_definition(value_set.resource, options), "expansion": expansion}


async def _find(value_set: Compiled, options: Options) -> _Found:
    query = Query(
        words=tuple(fold(options.text).split()),
        active_only=options.active_only or value_set.active_only,
    )
    only = value_set.includes[0] if len(value_set.includes) == 1 else None
    if only and only.plain and not (value_set.excludes or options.excluded or options.for_ui):
        return await _ask(value_set, only, query, options)
    return await _gather(value_set, query, options)


async def _ask(value_set: Compiled, only: Component, query: Query, options: Options) -> _Found:
    """One question to one code system."""
    if only.system is None:
        raise unknown_system(only.url, only.version)
    limit = MOST_CODES + 1 if options.count is None else options.count
    asked = Query(only.filters, query.words, query.active_only, options.offset, limit)
    members = []
    if limit:
        async for concept in only.system.select(asked):
            members.append(Member(only.url, only.version, concept))
    if len(members) > MOST_CODES:
        raise too_costly(value_set)
    if len(members) < limit and (members or not options.offset):
        return _Found(members, options.offset + len(members))
    total = await only.system.count(asked, MOST_COUNTED)
    return _Found(members, total if total <= MOST_COUNTED else None)


async def _gather(value_set: Compiled, query: Query, options: Options) -> _Found:
    """One after another of all includes."""
    members: list[Member] = []
    total = 0
    async for member in value_set.members(query):
        if options.for_ui and member.concept.abstract:
            continue
        if member.system in options.excluded or (
            f"{member.system}|{member.version}" in options.excluded
        ):
            continue
        total += 1
        if total > options.offset and (options.count is None or len(members) < options.count):
            members.append(member)
            if len(members) > MOST_CODES:
                raise too_costly(value_set)
        elif total > MOST_COUNTED and len(members) == options.count:
            return _Found(members, None)
    return _Found(members, total)


def too_costly(value_set: Compiled) -> TooCostly:
    """The refusal of an expansion without bounds."""
    return TooCostly(
        f"{value_set.name} has more than {MOST_CODES:,} codes; narrow it with filter, "
        "or ask for a part with count and offset"
    )


def _contains(member: Member, options: Options, several: bool) -> Json:
    concept = member.concept
    row: Json = {"system": member.system} if member.system else {}
    if several and member.version:
        row["version"] = member.version
    if concept.abstract:
        row["abstract"] = True
    if concept.inactive:
        row["inactive"] = True
    row["code"] = concept.code
    if display := _display(member, options):
        row["display"] = display
    wanted = [one for one in _designations(member) if _is_wanted(one, options)]
    if wanted:
        row["designation"] = [one.json() for one in wanted]
    return row


def _display(member: Member, options: Options) -> str:
    if options.language:
        for row in member.row.get("designation", ()):
            if speaks(row.get("language", ""), options.language):
                return str(row.get("value", ""))
        translated = member.concept.display_in(options.language)
        if translated != member.concept.display:
            return translated
    return member.display


def _designations(member: Member) -> list[Designation]:
    own = [
        Designation(row.get("value", ""), row.get("language", ""), row.get("use"))
        for row in member.row.get("designation", ())
    ]
    return own + [one for one in member.concept.designations if one not in own]


def _is_wanted(one: Designation, options: Options) -> bool:
    if not options.designations:
        return options.include_designations
    use = one.use or {}
    for system, code in options.designations:
        if system in ("", LANGUAGES) and one.language and speaks(one.language, code):
            return True
        if use.get("code") == code and system in ("", use.get("system", "")):
            return True
    return False


def _versions(value_set: Compiled) -> list[Json]:
    found: dict[str, None] = {}

    def walk(components: Sequence[Component]) -> None:
        for one in components:
            if one.url and one.version:
                found[f"{one.url}|{one.version}"] = None
            for inner in one.sets:
                walk(inner.includes)

    walk(value_set.includes)
    return [{"name": "version", "valueUri": text} for text in found]


def _is_open(components: Sequence[Component]) -> bool:
    """Whether codes may be missing because a code system here is only a part of the real one."""
    return any(
        (one.system is not None and one.rows is None and not one.system.head.complete)
        or any(_is_open(inner.includes) for inner in one.sets)
        for one in components
    )


_ALWAYS = (
    *("resourceType", "id", "url", "identifier", "version", "name", "title", "status"),
    *("experimental", "date", "publisher", "jurisdiction", "immutable", "copyright", "language"),
)
_DEFINITION = ("contact", "description", "useContext", "purpose", "compose")


def _definition(resource: Json, options: Options) -> Json:
    """What of the value set itself is answered."""
    names = _ALWAYS + (_DEFINITION if options.include_definition else ())
    kept = {name: resource[name] for name in names if name in resource}
    return {"resourceType": "ValueSet", "status": "active", **kept}


def tokens(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """System and code of tokens `system|code`."""
    found = []
    for text in texts:
        system, bar, code = text.rpartition("|")
        found.append((system if bar else "", code))
    return tuple(found)


def by_system(texts: Sequence[str]) -> dict[str, str]:
    """System -> version of canonical URLs `system|version`."""
    named = [canonical(text) for text in texts]
    if missing := [one.url for one in named if not one.version]:
        raise NotFound(f"{missing[0][:200]} names no version: write system|version", code="invalid")
    return dict(named)
