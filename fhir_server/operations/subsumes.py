"""CodeSystem/$subsumes: https://hl7.org/fhir/R4/codesystem-operation-subsumes.html"""

from __future__ import annotations

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import parameters
from fhir_server.fhir.codec import encode
from fhir_server.operations import subject
from fhir_server.operations.typed import Typed, typed
from fhir_server.services import Services
from fhir_server.terminology.subsumption import outcome


async def subsumes(request: FhirRequest, services: Services) -> FhirResponse:
    """Parameters with `outcome`: equivalent, subsumes, subsumed-by or not-subsumed.

    Raises NotFound for a code system that is not known, Unprocessable for a code that it has not.
    """
    given = typed(request, services, "CodeSystem-subsumes")
    code_a, system_a, version_a = _side(given, "A")
    code_b, system_b, version_b = _side(given, "B")
    url = given.text("system") or system_a or system_b
    if any(one not in ("", url) for one in (system_a, system_b)):
        raise MalformedRequest("codingA and codingB must be of one code system, that of system")
    version = given.text("version") or version_a or version_b
    system = await subject.code_system(request, services, url, version)
    found = await outcome(system, code_a, code_b)
    return FhirResponse(200, encode(parameters.write(("outcome", "code", found))))


def _side(given: Typed, side: str) -> tuple[str, str, str]:
    """Code, system and version of `codeA` or `codingA`."""
    code, coding = given.text(f"code{side}"), given.object(f"coding{side}")
    if bool(code) == (coding is not None):
        raise MalformedRequest(f"Give code{side} or coding{side}, one of them")
    if coding is None:
        return code, "", ""
    if not coding.get("code"):
        raise MalformedRequest(f"coding{side} has no code", expression=f"coding{side}.code")
    return coding["code"], coding.get("system", ""), coding.get("version", "")
