"""$meta, $meta-add, $meta-delete: profiles, tags and security labels by themselves.

https://hl7.org/fhir/R4/resource-operation-meta.html. A change makes a new version, though the
specification would allow it not to: an ETag stands for the same bytes for ever, and the history
shows who labelled what and when. A change that changes nothing makes none. Labels of past versions
cannot be changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fhir_server.access.grant import Action
from fhir_server.errors import Conflict, Gone, MalformedContent, NotFound, Unprocessable
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec, parameters
from fhir_server.fhir.codec import Resource
from fhir_server.interactions.answer import version_headers
from fhir_server.interactions.patch import patched
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.update import ATTEMPTS
from fhir_server.interactions.write import instant_after
from fhir_server.operations.arguments import read_arguments
from fhir_server.services import Services
from fhir_server.store.permission import demand
from fhir_server.store.version import Version, VersionConflict

MAX_LABELS = 1000
"""The most different labels of one kind and type that $meta lists."""

Meta = dict[str, Any]


async def meta(request: FhirRequest, services: Services) -> FhirResponse:
    """The meta of a resource; of a type or the whole server, all labels that are in use there."""
    read_arguments(request, services, ())
    if request.target.id:
        type_, id_ = request.target.type, request.target.id
        found = await services.store.read(type_, id_, request.grant, request.session)
        return _answer(codec.members(found.raw)["meta"], version_headers(found))
    types = [request.target.type] if request.target.type else await services.store.types()
    in_use: dict[str, list[Any]] = {}
    for kind in ("profile", "security", "tag"):
        keys: dict[str, None] = {}
        for type_ in types:
            keys.update(dict.fromkeys(await _keys(kind, type_, request, services)))
        labels = [_label(kind, key) for key in sorted(keys)]
        if any(labels):
            in_use[kind] = [label for label in labels if label]
    return _answer(in_use, {})


async def meta_add(request: FhirRequest, services: Services) -> FhirResponse:
    """Add profiles, tags and security labels; the answer is the meta that the resource has then."""
    return await _change(request, services, _added)


async def meta_delete(request: FhirRequest, services: Services) -> FhirResponse:
    """Take profiles, tags and security labels away; what is not there is no error."""
    return await _change(request, services, _removed)


async def _change(
    request: FhirRequest, services: Services, combine: Callable[[Meta, Meta], Meta]
) -> FhirResponse:
    given = read_arguments(request, services, ("meta",)).one("meta")
    if not isinstance(given, dict):
        raise MalformedContent(
            f"${request.target.operation} needs a parameter meta with a valueMeta",
            expression="Parameters.parameter",
        )
    _check(given, services)

    def change(resource: Resource) -> Resource:
        return {**resource, "meta": combine(resource["meta"], given)}

    for attempt in range(ATTEMPTS):
        current = await _current(request, services)
        try:
            version = await _store(current, change, request, services)
        except VersionConflict:
            if request.session is not None:
                raise
            await asyncio.sleep(0.001 * attempt)
            continue
        return _answer(codec.members(version.raw)["meta"], version_headers(version))
    raise Conflict(f"The resource changed {ATTEMPTS} times meanwhile; send the operation again")


async def _current(request: FhirRequest, services: Services) -> Version:
    type_, id_ = request.target.type, request.target.id
    current = await services.store.current(type_, id_, request.grant, request.session)
    if current is None:
        raise NotFound(f"{type_}/{id_} does not exist")
    if current.deleted:
        raise Gone(f"{type_}/{id_} was deleted")
    demand(request.grant, Action.READ, current)  # the answer shows all labels
    check_preconditions(request, current)
    return current


async def _store(
    current: Version,
    change: Callable[[Resource], Resource],
    request: FhirRequest,
    services: Services,
) -> Version:
    before = codec.value(current.raw)
    if change(before) == before:
        return current
    draft = patched(current, change, request, services)
    version = draft.version(current.version + 1, instant_after(current, services), "POST")
    await services.store.replace(version, current, request.grant, request.session)
    return version


def _added(present: Meta, given: Meta) -> Meta:
    combined = dict(present)
    for kind in ("profile", "security", "tag"):
        known = {_identity(label) for label in present.get(kind, ())}
        fresh = [label for label in given.get(kind, ()) if _identity(label) not in known]
        if fresh:
            combined[kind] = [*present.get(kind, ()), *fresh]
    return combined


def _removed(present: Meta, given: Meta) -> Meta:
    combined = dict(present)
    for kind in ("profile", "security", "tag"):
        unwanted = {_identity(label) for label in given.get(kind, ())}
        left = [label for label in present.get(kind, ()) if _identity(label) not in unwanted]
        combined.pop(kind, None)
        if left:
            combined[kind] = left
    return combined


def _identity(label: Any) -> Any:
    """What makes two labels one: system and code of a Coding, a profile's URL."""
    return (label.get("system"), label.get("code")) if isinstance(label, dict) else label


def _check(given: Meta, services: Services) -> None:
    """Raise Unprocessable unless the Meta is a sound one."""
    issues = services.validator.structure({"resourceType": "Basic", "code": {}, "meta": given})
    faults = [i for i in issues if any(".meta" in place for place in i.expression)]
    if faults:
        raise Unprocessable(issues=faults)


async def _keys(kind: str, type_: str, request: FhirRequest, services: Services) -> list[str]:
    if not request.grant.allows(type_, Action.SEARCH):
        return []
    rows = await services.store.selections.keys(
        type_, {"s": f"_{kind}"}, f"_{kind}=", MAX_LABELS, request.grant, request.session
    )
    return [document["_id"] for document in rows.documents]


def _label(kind: str, key: str) -> Any:
    """The profile or Coding of a search key; None for a key that tells only a part of one."""
    text = key.partition("=")[2]
    if kind == "profile":
        return text
    system, bar, code = text.rpartition("|")
    if not bar or not code:
        return None
    return {"system": system, "code": code} if system else {"code": code}


def _answer(meta_: Any, headers: dict[str, str]) -> FhirResponse:
    body = codec.encode(parameters.write(("return", "Meta", meta_)))
    return FhirResponse(200, body, headers)
