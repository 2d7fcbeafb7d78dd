"""ConceptMap/$translate: https://hl7.org/fhir/R4/conceptmap-operation-translate.html"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode
from fhir_server.operations import subject
from fhir_server.operations.typed import Typed, part, typed
from fhir_server.services import Services
from fhir_server.terminology.library import canonical
from fhir_server.terminology.translation import Asked, Match, applies
from fhir_server.terminology.translation import translate as translations

Json = dict[str, Any]


async def translate(request: FhirRequest, services: Services) -> FhirResponse:
    """Parameters with `result` and each `match`.

    By one map (instance, `conceptMap` or `url`), else by all that are from `source` to `target`.
    Raises NotFound for a map that is not known.
    """
    given = typed(request, services, "ConceptMap-translate")
    asked = _asked(given)
    maps = await _maps(request, services, given)
    found: list[Match] = []
    for one in asked:
        found += await translations(maps, one, services.terminology)
    return FhirResponse(200, encode(_answer(found, asked, len(maps))))


def _asked(given: Typed) -> list[Asked]:
    code, coding = given.text("code"), given.object("coding")
    concept = given.object("codeableConcept")
    if sum(one is not None for one in (code or None, coding, concept)) != 1:
        raise MalformedRequest("Give one of code, coding and codeableConcept, and only one")
    if code:
        system = given.text("system")
        if not system:
            raise MalformedRequest("A code needs its system", expression="http.system")
        rows: Sequence[Json] = [{"system": system, "code": code, "version": given.text("version")}]
    else:
        rows = [coding] if coding else (concept or {}).get("coding", ())
    dependencies = tuple(_dependencies(given))
    return [
        Asked(
            row.get("system", ""),
            row["code"],
            row.get("version", ""),
            given.text("targetsystem"),
            given.boolean("reverse") or False,
            dependencies,
        )
        for row in rows
        if row.get("code")
    ]


def _dependencies(given: Typed) -> list[tuple[str, Json]]:
    found = []
    for parts in given.parts("dependency"):
        concept = part(parts, "concept")
        if isinstance(concept, dict):
            element = str(part(parts, "element") or "")
            found += [(element, coding) for coding in concept.get("coding", ())]
    return found


async def _maps(request: FhirRequest, services: Services, given: Typed) -> Sequence[Json]:
    if request.target.id:
        return [await subject.instance(request, services)]
    sent = given.resource("conceptMap", "ConceptMap")
    if sent is not None:
        return [sent]
    library = services.terminology
    if url := given.text("url"):
        named = canonical(url)
        version = given.text("conceptMapVersion") or named.version
        found = await library.concept_map(named.url, version)
        if found is None:
            raise await subject.not_known(library, "ConceptMap", named.url, version)
        return [found]
    source, target = given.text("source"), given.text("target")
    if not (source or target or given.text("targetsystem")):
        raise MalformedRequest(
            "$translate needs a map (url, conceptMap or an instance), "
            "or source, target or targetsystem to choose maps by"
        )
    reverse = given.boolean("reverse") or False
    return [one for one in await library.concept_maps() if applies(one, source, target, reverse)]


def _answer(found: Sequence[Match], asked: Sequence[Asked], maps: int) -> Json:
    good = any(match.found for match in found)
    rows: list[Json] = [{"name": "result", "valueBoolean": good}]
    if not good:
        names = ", ".join(f"'{one.code[:80]}' of {one.system[:150]}" for one in asked)
        text = f"No translation of {names or 'a concept without codes'} in {maps} concept maps"
        rows.append({"name": "message", "valueString": text})
    return {"resourceType": "Parameters", "parameter": rows + [_match(one) for one in found]}


def _match(found: Match) -> Json:
    parts: list[Json] = [{"name": "equivalence", "valueCode": found.equivalence}]
    if found.concept.get("code"):
        parts.append({"name": "concept", "valueCoding": found.concept})
    for product in found.products:
        coding = {"system": product.get("system"), "code": product.get("value")}
        coding |= {"display": product["display"]} if "display" in product else {}
        parts.append(
            {
                "name": "product",
                "part": [
                    {"name": "element", "valueUri": product.get("property", "")},
                    {
                        "name": "concept",
                        "valueCoding": {name: v for name, v in coding.items() if v},
                    },
                ],
            }
        )
    if found.source:
        parts.append({"name": "source", "valueUri": found.source})
    return {"name": "match", "part": parts}
