"""CodeSystem/$lookup: https://hl7.org/fhir/R4/codesystem-operation-lookup.html"""

from __future__ import annotations

import time

from fhir_server.errors import MalformedRequest, NotFound
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode, instant
from fhir_server.operations import subject
from fhir_server.operations.typed import typed
from fhir_server.services import Services
from fhir_server.terminology.lookup import describe


async def lookup(request: FhirRequest, services: Services) -> FhirResponse:
    """Name, display, designations and properties of a code, as Parameters.

    Raises NotFound for a code or a code system that is not known.
    """
    given = typed(request, services, "CodeSystem-lookup")
    subject.refuse_past(given, instant(time.time_ns() // 1000))
    coding = given.object("coding")
    code, url, version = given.text("code"), given.text("system"), given.text("version")
    if coding is not None and code:
        raise MalformedRequest("Give code and system, or coding, not both")
    if coding is not None:
        code, url = coding.get("code", ""), coding.get("system", "")
        version = coding.get("version", "") or version
    if not code or not url:
        raise MalformedRequest("$lookup needs code and system, or a coding that has both")
    system = await subject.code_system(request, services, url, version)
    found = (await system.find((code,))).get(code)
    if found is None:
        raise NotFound(f"The code '{code[:100]}' is not in {system.head.canonical}")
    rows = await describe(system, found, given.texts("property"), given.text("displayLanguage"))
    return FhirResponse(200, encode({"resourceType": "Parameters", "parameter": rows}))
