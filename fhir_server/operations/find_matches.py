"""CodeSystem/$find-matches: https://hl7.org/fhir/R4/codesystem-operation-find-matches.html"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode
from fhir_server.operations import subject
from fhir_server.operations.typed import Typed, part, typed
from fhir_server.services import Services
from fhir_server.terminology.concept import value_text
from fhir_server.terminology.property_matches import Match, Wanted, find

Json = dict[str, Any]


async def find_matches(request: FhirRequest, services: Services) -> FhirResponse:
    """Parameters with each `match`: a code and the properties asked for that it does not have.

    Raises NotFound for a code system that is not known, Unprocessable for a property that it has
    not.
    """
    given = typed(request, services, "CodeSystem-find-matches")
    exact = given.boolean("exact")
    if exact is None:
        raise MalformedRequest("$find-matches needs exact", expression="http.exact")
    if given.boolean("compositional"):
        raise UnsupportedParameter(
            "compositional=true: no post-coordinated codes are made here",
            expression="http.compositional",
        )
    wanted = _wanted(given)
    if not wanted:
        raise MalformedRequest(
            "$find-matches needs a property with code and value, in a Parameters resource",
            expression="http.property",
        )
    url, version = given.text("system"), given.text("version")
    system = await subject.code_system(request, services, url, version)
    found = await find(system, wanted, exact)
    rows = [_match(one, system.head.url) for one in found]
    answer: Json = {"resourceType": "Parameters"}
    return FhirResponse(200, encode({**answer, "parameter": rows} if rows else answer))


def _wanted(given: Typed) -> list[Wanted]:
    found = []
    for parts in given.parts("property"):
        if any(one.get("name") == "subproperty" for one in parts):
            raise UnsupportedParameter("subproperty: concepts have no such here")
        code, value = part(parts, "code"), part(parts, "value")
        if not isinstance(code, str) or value is None:
            raise MalformedRequest("A property needs code and value", expression="http.property")
        found.append(Wanted(code, value_text(value)))
    return found


def _match(found: Match, url: str) -> Json:
    coding: Json = {"system": url, "code": found.concept.code}
    if found.concept.display:
        coding["display"] = found.concept.display
    parts: list[Json] = [{"name": "code", "valueCoding": coding}]
    parts += [
        {
            "name": "unmatched",
            "part": [
                {"name": "code", "valueCode": one.code},
                {"name": "value", "valueString": one.value},
            ],
        }
        for one in found.unmatched
    ]
    return {"name": "match", "part": parts}
