"""What a terminology operation is about: by id, sent along, or by canonical URL."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.errors import MalformedRequest, NotFound, Unprocessable, UnsupportedParameter
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.operations.typed import Typed
from fhir_server.services import Services
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.library import Library, WithGiven, canonical
from fhir_server.terminology.memory import MemoryCodeSystem
from fhir_server.terminology.preparation import Versions
from fhir_server.terminology.value_set import unknown_system

Json = dict[str, Any]

_TYPES = "http://hl7.org/fhir/StructureDefinition/"


class Subject(NamedTuple):
    """A resource, and the library in which what it names is looked for."""

    resource: Json
    library: Library


async def value_set(request: FhirRequest, services: Services, given: Typed) -> Subject:
    """The value set of the instance, of `valueSet`, `url` or `context`.

    Raises NotFound for one that is not known, MalformedRequest where none is named.
    """
    library: Library = services.terminology
    if request.target.id:
        return Subject(await instance(request, services), library)
    sent = given.resource("valueSet", "ValueSet")
    if sent is not None:
        return Subject(sent, WithGiven(library, [sent]))
    url = given.text("url") or _of_context(given.text("context"), services)
    if not url:
        raise MalformedRequest(
            f"${request.target.operation} needs url, valueSet, or an instance: "
            "ValueSet/[id]/$" + request.target.operation
        )
    named = canonical(url)
    version = given.text("valueSetVersion") or named.version
    found = await library.value_set(named.url, version)
    if found is None:
        raise await not_known(library, "ValueSet", named.url, version)
    return Subject(found, library)


async def code_system(
    request: FhirRequest, services: Services, url: str, version: str, sent: Json | None = None
) -> CodeSystem:
    """The code system of the instance, the one that was sent, or that of the URL.

    Raises NotFound for one that is not known, MalformedRequest where none is named.
    """
    if request.target.id:
        resource = await instance(request, services)
        if resource.get("content") == "complete" or not resource.get("url"):
            return MemoryCodeSystem(resource)
        url, version = resource["url"], resource.get("version", "")
    elif sent is not None:
        return MemoryCodeSystem(sent)
    if not url:
        raise MalformedRequest(
            f"${request.target.operation} needs the code system: name it by its URL"
        )
    named = canonical(url)
    version = version or named.version
    found = await services.terminology.code_system(named.url, version)
    if found is None:
        if await services.terminology.versions("CodeSystem", named.url):
            raise await not_known(services.terminology, "CodeSystem", named.url, version)
        raise NotFound(str(unknown_system(named.url, version)))
    if found.head.content == "not-present":
        raise NotFound(str(unknown_system(named.url, version)))
    return found


async def instance(request: FhirRequest, services: Services) -> Json:
    """The resource that the path names, as far as the caller may see it."""
    stored = await services.store.read(
        request.target.type, request.target.id, request.grant, request.session
    )
    resource: Json = codec.value(stored.raw)
    return resource


async def not_known(library: Library, type_: str, url: str, version: str) -> NotFound:
    """The error for a canonical URL that is not known, or not in this version."""
    kind = {"ValueSet": "value set", "CodeSystem": "code system"}.get(type_, "concept map")
    if version and (known := await library.versions(type_, url)):
        text = f"The {kind} {url[:200]} is here in version {', '.join(known)}, not {version[:80]}"
        return NotFound(text)
    name = f"{url}|{version}" if version else url
    return NotFound(f"The {kind} {name[:250]} is not known here")


def versions(given: Typed) -> Versions:
    """Which versions of code systems were asked for."""
    return Versions(
        _by_system(given, "system-version"),
        _by_system(given, "force-system-version"),
        _by_system(given, "check-system-version"),
    )


def _by_system(given: Typed, name: str) -> dict[str, str]:
    found = {}
    for text in given.texts(name):
        named = canonical(text)
        if not named.url or not named.version:
            raise MalformedRequest(f"{name} reads system|version", expression=f"http.{name}")
        found[named.url] = named.version
    return found


def refuse_past(given: Typed, now: str) -> None:
    """Raise UnsupportedParameter for a `date` before today: answers are as of now."""
    date = given.text("date")
    if date and date[:10] < now[: len(date[:10])]:
        raise UnsupportedParameter(
            "date: answers are as of now; name versions to have earlier ones",
            expression="http.date",
        )


def _of_context(context: str, services: Services) -> str:
    """The value set that an element of R4's own types is bound to, `url#path`."""
    if not context:
        return ""
    url, _, path = context.partition("#")
    type_ = url.removeprefix(_TYPES)
    at, _, name = (path or type_).rpartition(".")
    definition = services.definitions.types.get(at)
    element = definition.elements.get(name.removesuffix("[x]")) if definition else None
    if not url.startswith(_TYPES) or at.partition(".")[0] != type_ or element is None:
        raise Unprocessable(
            f"context={context[:200]} names no element of an R4 type; it reads "
            f"{_TYPES}Patient#Patient.gender",
            expression="http.context",
        )
    if element.binding is None:
        raise Unprocessable(
            f"{path} has no required value set; name the value set by url",
            expression="http.context",
        )
    return element.binding
