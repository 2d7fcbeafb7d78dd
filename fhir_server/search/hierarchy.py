"""`:above` and `:below` of references to resources that are parts of each other.

`Encounter?location:below=Location/1` finds what happened at the location or at any part of it.
https://hl7.org/fhir/R4/search.html#reference
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.conditions import Plain
from fhir_server.search.kinds.reference import CANONICAL, local
from fhir_server.search.references import literal
from fhir_server.search.registry import Parameter, Registry
from fhir_server.search.values import shown, unescape

MAX_LEVELS = 50

Step = Callable[[str, str, Sequence[str]], Awaitable[Sequence[str]]]
"""From (type, code of the link, ids) to the ids one level further."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The resources to begin with, as (type, id), and which way to go from them.

    `links` are, by type, the codes that lead from a resource to the one it is part of.
    """

    parameter: Parameter
    upwards: bool
    values: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


def is_hierarchical(plain: Plain) -> bool:
    """Whether the condition asks for a hierarchy of resources, not of versions of a canonical."""
    parameter = plain.parameter
    return (
        parameter.type == "reference"
        and plain.modifier in ("above", "below")
        and parameter.types.isdisjoint(CANONICAL)
    )


def link_of(type_: str, registry: Registry) -> str:
    """The code that leads from a resource of the type to the one it is part of, empty for none."""
    for parameter in registry.all(type_):
        whole = parameter.code.replace("-", "") in ("partof", "parent")
        if whole and parameter.type == "reference" and type_ in parameter.targets:
            return parameter.code
    return ""


def parse_hierarchy(plain: Plain, registry: Registry, base_url: str) -> Hierarchy:
    """What `code:above=` or `code:below=` asks.

    Raises UnsupportedParameter where nothing that the parameter points at is part of its like, and
    MalformedRequest for a value that is no reference to such.
    """
    parameter, modifier = plain.parameter, plain.modifier
    links = {type_: link for type_ in parameter.targets if (link := link_of(type_, registry))}
    place = f"http.{parameter.code}:{modifier}"
    if not links:
        raise UnsupportedParameter(
            f"{parameter.code}:{modifier} needs resources that are parts of each other; "
            f"{', '.join(parameter.targets[:5])} are not",
            expression=place,
        )
    found: list[tuple[str, str]] = []
    for value in plain.values:
        text = local(unescape(value), base_url)
        target = literal(text)
        if target is not None and not target.base and target.type in links:
            found.append((target.type, target.id))
        elif target is None and "/" not in text and ":" not in text:
            found += [(type_, text) for type_ in links]
        else:
            raise MalformedRequest(
                f"{parameter.code}:{modifier}={shown(value)} is none of {', '.join(links)}",
                expression=place,
            )
    return Hierarchy(parameter, modifier == "above", tuple(found), tuple(links.items()))


async def members(hierarchy: Hierarchy, step: Step, most: int) -> list[tuple[str, str]]:
    """The values and all that is above or below them, `most` + 1 at most."""
    found = dict.fromkeys(hierarchy.values)
    for type_, link in hierarchy.links:
        fresh = [id_ for known, id_ in hierarchy.values if known == type_]
        for _ in range(MAX_LEVELS):
            if not fresh or len(found) > most:
                break
            ids = await step(type_, link, fresh)
            fresh = [id_ for id_ in ids if (type_, id_) not in found]
            found.update(dict.fromkeys((type_, id_) for id_ in fresh))
    return list(found)
