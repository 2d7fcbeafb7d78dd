"""ValueSet/$expand: https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from __future__ import annotations

import time
from typing import Any

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import encode, instant
from fhir_server.operations import subject
from fhir_server.operations.typed import Typed, typed
from fhir_server.services import Services
from fhir_server.terminology.expansion import Options, tokens
from fhir_server.terminology.expansion import expand as expansion_of
from fhir_server.terminology.preparation import prepare

_TEXTS = (
    *("filter", "designation", "displayLanguage", "exclude-system"),
    *("system-version", "check-system-version", "force-system-version"),
)
_BOOLEANS = (
    *("includeDesignations", "includeDefinition", "activeOnly", "excludeNested"),
    *("excludeNotForUI", "excludePostCoordinated"),
)


async def expand(request: FhirRequest, services: Services) -> FhirResponse:
    """The ValueSet with its expansion.

    Raises NotFound for a value set or code system that is not known, TooCostly for one with too
    many codes, Unprocessable for one that includes itself.
    """
    given = typed(request, services, "ValueSet-expand")
    now = instant(time.time_ns() // 1000)
    subject.refuse_past(given, now)
    direction = given.text("contextDirection")
    if direction not in ("", "incoming", "outgoing"):
        raise MalformedRequest(
            "contextDirection must be incoming or outgoing", expression="http.contextDirection"
        )
    resource, library = await subject.value_set(request, services, given)
    prepared = await prepare(resource, library, subject.versions(given))
    identifier = f"urn:uuid:{services.new_id()}"
    found = await expansion_of(prepared, _options(given), identifier, now)
    return FhirResponse(200, encode(found))


def _options(given: Typed) -> Options:
    return Options(
        text=given.text("filter"),
        offset=given.integer("offset") or 0,
        count=given.integer("count"),
        language=given.text("displayLanguage"),
        include_designations=given.boolean("includeDesignations") or False,
        designations=tokens(given.texts("designation")),
        include_definition=given.boolean("includeDefinition") or False,
        active_only=given.boolean("activeOnly") or False,
        nested=not given.boolean("excludeNested"),
        for_ui=given.boolean("excludeNotForUI") or False,
        excluded=frozenset(given.texts("exclude-system")),
        echo=tuple(_echo(given)),
    )


def _echo(given: Typed) -> list[dict[str, Any]]:
    """What `expansion.parameter` repeats of the request."""
    rows: list[dict[str, Any]] = []
    for name in _TEXTS:
        kind = "valueUri" if name.endswith(("-system", "-version")) else "valueString"
        rows += [{"name": name, kind: text} for text in given.texts(name)]
    for name in ("offset", "count"):
        if (number := given.integer(name)) is not None:
            rows.append({"name": name, "valueInteger": number})
    for name in _BOOLEANS:
        if (flag := given.boolean(name)) is not None:
            rows.append({"name": name, "valueBoolean": flag})
    return rows
