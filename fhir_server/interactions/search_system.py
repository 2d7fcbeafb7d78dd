"""FHIR search across types: `[base]?_type=A,B&...`. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.errors import UnknownType
from fhir_server.exchange import FhirRequest, FhirResponse, Pairs
from fhir_server.interactions.searchset import Scope, search
from fhir_server.search.criteria import nearest
from fhir_server.services import Services


async def search_system(request: FhirRequest, services: Services) -> FhirResponse:
    """A searchset of resources of the types in `_type`, of all types where it is not given.

    The criteria must be parameters of every type searched.
    """
    known = services.definitions.resource_types
    types, rest = pick_types(request.query, known)
    applied = (("_type", ",".join(types)),) if types else ()
    return await search(Scope(types or known, request.base), rest, applied, request, services)


def pick_types(pairs: Pairs, known: Sequence[str]) -> tuple[tuple[str, ...], Pairs]:
    """The types that `_type` names, each once, and the other pairs. Raises UnknownType."""
    named = [
        type_ for name, value in pairs if name == "_type" for type_ in value.split(",") if type_
    ]
    for type_ in named:
        if type_ not in known:
            raise UnknownType(
                f"_type: '{type_[:80]}' is no resource type of FHIR R4{nearest(type_, known)}",
                expression="http._type",
            )
    rest = tuple(pair for pair in pairs if pair[0] != "_type")
    return tuple(dict.fromkeys(named)), rest
