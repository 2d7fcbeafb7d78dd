"""From a ValueSet resource to what can be asked: its parts looked up, its versions chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_server.errors import NotFound, TooCostly, Unprocessable
from fhir_server.terminology.code_system import Filter
from fhir_server.terminology.filters import check
from fhir_server.terminology.library import Library, canonical
from fhir_server.terminology.value_set import Compiled, Component

Json = dict[str, Any]

DEEPEST = 32
"""Value sets within value sets."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of code systems are taken: canonical URLs `system|version`.

    `default` where the value set names none, `forced` whatever it names; `checked` must be the
    ones that it comes to.
    """

    default: dict[str, str] = field(default_factory=dict)
    forced: dict[str, str] = field(default_factory=dict)
    checked: dict[str, str] = field(default_factory=dict)

    def of(self, system: str, named: str) -> str:
        """The version to take. Raises Unprocessable where the checked one is another."""
        taken = self.forced.get(system) or named or self.default.get(system, "")
        wanted = self.checked.get(system)
        if wanted and taken and taken != wanted:
            raise Unprocessable(
                f"The value set takes {system}|{taken}, but check-system-version asks for {wanted}",
                code="business-rule",
            )
        return taken or wanted or ""


async def prepare(
    resource: Json, library: Library, versions: Versions = Versions(), trail: tuple[str, ...] = ()
) -> Compiled:
    """The value set ready to be asked.

    Raises Unprocessable where it includes itself, NotFound for a value set in it that is not
    known. A code system that is not known is no error until its concepts are needed.
    """
    url = resource.get("url", "")
    if url and url in trail:
        way = " -> ".join((*trail[trail.index(url) :], url))
        raise Unprocessable(f"The value set {url} includes itself: {way}")
    if len(trail) >= DEEPEST:
        raise TooCostly(f"{trail[0]} has value sets within value sets {DEEPEST} deep")
    trail = (*trail, url)
    compose = resource.get("compose")
    if not isinstance(compose, dict):
        return Compiled(resource, _stored(resource), ())
    return Compiled(
        resource,
        [await _component(row, library, versions, trail) for row in compose.get("include", ())],
        [await _component(row, library, versions, trail) for row in compose.get("exclude", ())],
    )


async def _component(
    row: Json, library: Library, versions: Versions, trail: tuple[str, ...]
) -> Component:
    url = row.get("system", "")
    version = versions.of(url, row.get("version", "")) if url else ""
    system = await library.code_system(url, version) if url else None
    filters = tuple(
        Filter(one.get("property", ""), one.get("op", ""), one.get("value", ""))
        for one in row.get("filter", ())
    )
    if system is not None and system.head.content == "not-present":
        system = None
    if system is not None:
        for one in filters:
            check(system, one)
    sets = []
    for text in row.get("valueSet", ()):
        named = canonical(text)
        found = await library.value_set(*named)
        if found is None:
            raise NotFound(
                f"The value set {text[:200]}, which {trail[0] or 'this one'} includes, "
                "is not known here"
            )
        sets.append(await prepare(found, library, versions, trail))
    if not url and not sets:
        raise Unprocessable(
            "An include or exclude of a value set names neither system nor valueSet",
            expression="ValueSet.compose.include",
        )
    return Component(url, version, system, row.get("concept"), filters, sets)


def _stored(resource: Json) -> list[Component]:
    """The components of a value set that has nothing but its expansion."""
    expansion = resource.get("expansion")
    if not isinstance(expansion, dict):
        raise Unprocessable(
            f"The value set {resource.get('url', '')} has neither compose nor expansion",
            expression="ValueSet.compose",
        )
    by_system: dict[tuple[str, str], list[Json]] = {}
    waiting = list(reversed(expansion.get("contains", ())))
    while waiting:
        row = waiting.pop()
        if row.get("code") and not row.get("abstract"):
            key = (row.get("system", ""), row.get("version", ""))
            by_system.setdefault(key, []).append(row)
        waiting += reversed(row.get("contains", ()))
    return [
        Component(system, version, None, rows, (), ())
        for (system, version), rows in by_system.items()
    ]
