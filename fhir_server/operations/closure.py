"""$closure: https://hl7.org/fhir/R4/conceptmap-operation-closure.html"""

from __future__ import annotations

import time

from fhir_server.errors import MalformedRequest, Unprocessable
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode, instant
from fhir_server.operations.typed import typed
from fhir_server.services import Services
from fhir_server.terminology.subsumption import closure_map, relations

LONGEST_NAME = 200


async def closure(request: FhirRequest, services: Services) -> FhirResponse:
    """A ConceptMap with the relations that the caller has not had yet.

    With a name alone the table begins anew; with concepts they are added; with a version all that
    came after it is told again. Raises NotFound for a table that was not begun.
    """
    given = typed(request, services, "ConceptMap-closure")
    name, concepts, version = given.text("name"), given.objects("concept"), given.text("version")
    if not name or len(name) > LONGEST_NAME:
        raise MalformedRequest(
            f"$closure needs the name of a table, of {LONGEST_NAME} characters at most",
            expression="http.name",
        )
    if concepts and version:
        raise MalformedRequest("Give concepts to add, or the version to be told from, not both")
    if version and not version.isdecimal():
        raise MalformedRequest("version is a number that $closure gave", expression="http.version")
    tables = services.terminology.closures
    now = instant(time.time_ns() // 1000)
    if concepts:
        codes = [(one.get("system", ""), one.get("code", "")) for one in concepts]
        await _check(codes, services)
        number, entries = await tables.add(name, codes)
        found = await relations(entries, number - 1, services.terminology)
    elif version:
        number, entries = await tables.read(name)
        found = await relations(entries, int(version[:9]), services.terminology)
    else:
        await tables.begin(name)
        number, found = 0, []
    return FhirResponse(200, encode(closure_map(name, number, found, now)))


async def _check(codes: list[tuple[str, str]], services: Services) -> None:
    """Raise Unprocessable for a concept that is none."""
    for url in dict.fromkeys(system for system, _ in codes):
        system = await services.terminology.code_system(url) if url else None
        wanted = [code for of, code in codes if of == url]
        if system is None:
            raise Unprocessable(f"The code system {url[:200] or '(none)'} is not known here")
        known = await system.find(wanted)
        if missing := [code for code in wanted if code not in known]:
            raise Unprocessable(
                f"The code '{missing[0][:100]}' is not in {system.head.canonical}",
                code="code-invalid",
            )
