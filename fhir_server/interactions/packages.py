"""Loading packages: their conformance resources become resources of this server.

Also what a process does to know, at every moment, the definitions that are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fhir_server.access.grant import Grant
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.elements import Content
from fhir_server.interactions.write import Draft, draft, instant_after
from fhir_server.services import Services
from fhir_server.store.changes import followed
from fhir_server.store.conformance import is_untouched
from fhir_server.store.packages import LoadedPackage, Packages
from fhir_server.validation import FOLLOWED
from fhir_server.validation.packages import Package
from fhir_server.validation.validator import has_errors

GRANT = Grant.system("packages: loaded by the operator")
MOST_FOLLOWED_BYTES = 2 * 1024 * 1024
"""Bytes of a value set or code system that validation keeps in memory."""


@asynccontextmanager
async def definitions_followed(services: Services) -> AsyncIterator[None]:
    """Meanwhile the validator knows the definitions that are stored, whoever stored them."""
    validator = services.validator

    def adopt(type_: str, id_: str, raw: bytes | None) -> None:
        key = f"{type_}/{id_}"
        if raw is not None and _is_news(type_, raw):
            validator.put(key, raw)
        else:
            validator.drop(key)

    async with followed(services.store.database, FOLLOWED, adopt):
        yield


def _is_news(type_: str, raw: bytes) -> bool:
    """Whether the validator must take it in: it knows what the program itself brings."""
    if is_untouched(raw):
        return False
    return type_ == "StructureDefinition" or len(raw) <= MOST_FOLLOWED_BYTES


async def add_package(
    package: Package, services: Services, advance: Callable[[int], None]
) -> tuple[LoadedPackage, list[str]]:
    """Store a package's resources, and note it; with it, what was left out and why.

    The same version again puts its resources in the place of what it brought before. `advance` is
    called with the number of resources done.
    """
    skipped = list(package.skipped)
    stored = []
    for number, resource in enumerate(package.resources, 1):
        advance(number)
        made = _draft(package, resource, services)
        if isinstance(made, str):
            skipped.append(made)
            continue
        await _store(made, services)
        stored.append(f"{made.type}/{made.id}")
    loaded = LoadedPackage(
        package.name,
        package.version,
        package.title,
        package.canonical,
        package.licence,
        services.store.stamp(),
        package.dependencies,
        stored,
    )
    await Packages(services.store.database).put(loaded)
    return loaded, skipped


def _draft(package: Package, resource: Resource, services: Services) -> Draft | str:
    """The resource under an id of this package and version, or why it is left out.

    Narratives are for people who read the package; some have what ours must not have.
    """
    told = f"{resource['resourceType']} {str(resource.get('url') or resource.get('id'))[:200]}"
    plain = {name: value for name, value in resource.items() if name not in ("text", "id")}
    issues = services.validator.structure(plain, lenient=True)
    if has_errors(issues):
        return f"{told}: {issues[0].diagnostics} ({', '.join(issues[0].expression)})"
    id_ = resource_id(package.id, resource)
    plain["id"] = id_
    return draft(Content(plain, codec.encode(plain)), id_, services)


def resource_id(package: str, resource: Resource) -> str:
    """The logical id of a package's resource: readable, and its own for each version."""
    name = f"{package}/{resource['resourceType']}/{resource.get('url')}/{resource.get('id')}"
    own = str(resource.get("id") or resource["resourceType"]).lower()
    clean = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in own)
    return f"{clean[:51]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


async def _store(new: Draft, services: Services) -> None:
    current = await services.store.current(new.type, new.id, GRANT)
    if current is None:
        await services.store.insert([new.version(1, services.store.stamp(), "PUT")], GRANT)
        return
    version = new.version(current.version + 1, instant_after(current, services), "PUT")
    await services.store.replace(version, current, GRANT)
