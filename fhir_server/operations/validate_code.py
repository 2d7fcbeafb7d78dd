"""$validate-code on CodeSystem and ValueSet.

https://hl7.org/fhir/R4/codesystem-operation-validate-code.html,
https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import parameters
from fhir_server.fhir.codec import encode, instant
from fhir_server.operations import subject
from fhir_server.operations.typed import Typed, typed
from fhir_server.services import Services
from fhir_server.terminology.code_validation import (
    Asked,
    Context,
    Verdict,
    any_of,
    in_code_system,
    in_value_set,
)
from fhir_server.terminology.preparation import Versions, prepare

Judge = Callable[[Asked], Awaitable[Verdict]]


async def validate_in_code_system(request: FhirRequest, services: Services) -> FhirResponse:
    """Whether a code system has the code; Parameters with `result`, `message`, `display`.

    Raises NotFound for a code system that is not known.
    """
    given = _read(request, services, "CodeSystem-validate-code")
    url = given.text("url") or _system_of(given)
    sent = given.resource("codeSystem", "CodeSystem")
    system = await subject.code_system(request, services, url, given.text("version"), sent)
    context = _context(given)
    own = system.head.url
    return await _answer(
        given, lambda asked: in_code_system(system, asked, context), own, "version"
    )


async def validate_in_value_set(request: FhirRequest, services: Services) -> FhirResponse:
    """Whether a value set has the code; Parameters with `result`, `message`, `display`.

    Raises NotFound for a value set that is not known, MalformedRequest for a code without system.
    """
    given = _read(request, services, "ValueSet-validate-code")
    resource, library = await subject.value_set(request, services, given)
    prepared = await prepare(resource, library, Versions())
    if given.text("code") and not (given.text("system") or given.text("context")):
        raise MalformedRequest("A code needs its system (or a context)", expression="http.system")
    context = _context(given)
    system = given.text("system") or None
    return await _answer(
        given, lambda asked: in_value_set(prepared, asked, context), system, "systemVersion"
    )


def _read(request: FhirRequest, services: Services, operation: str) -> Typed:
    given = typed(request, services, operation)
    subject.refuse_past(given, instant(time.time_ns() // 1000))
    return given


def _context(given: Typed) -> Context:
    return Context(given.boolean("abstract") or False, given.text("displayLanguage"))


def _system_of(given: Typed) -> str:
    """The code system that the coding names, where nothing else does."""
    coding = given.object("coding") or {}
    concept = given.object("codeableConcept") or {}
    for one in (coding, *concept.get("coding", ())):
        if one.get("system"):
            return str(one["system"])
    return ""


async def _answer(given: Typed, judge: Judge, system: str | None, version: str) -> FhirResponse:
    code, coding = given.text("code"), given.object("coding")
    concept = given.object("codeableConcept")
    if sum(one is not None for one in (code or None, coding, concept)) != 1:
        raise MalformedRequest("Give one of code, coding and codeableConcept, and only one")
    if coding is not None:
        if not coding.get("code"):
            raise MalformedRequest("The coding has no code", expression="coding.code")
        verdict = await judge(_of_coding(coding, given, version))
    elif concept is not None:
        rows = [one for one in concept.get("coding", ()) if one.get("code")]
        verdict = any_of([await judge(Asked.of_coding(one)) for one in rows])
    else:
        verdict = await judge(Asked(system, code, given.text(version), given.text("display")))
    rows_out: list[tuple[str, str, object]] = [("result", "boolean", verdict.result)]
    if verdict.message:
        rows_out.append(("message", "string", verdict.message))
    if verdict.display:
        rows_out.append(("display", "string", verdict.display))
    return FhirResponse(200, encode(parameters.write(*rows_out)))


def _of_coding(coding: dict[str, object], given: Typed, version: str) -> Asked:
    asked = Asked.of_coding(coding)
    return replace(
        asked,
        version=asked.version or given.text(version),
        display=asked.display or given.text("display"),
    )
