"""FHIR search in a compartment: `[base]/Patient/1/Observation?...`, `[base]/Patient/1/*`.

https://hl7.org/fhir/R4/http.html#vsearch and https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from fhir_server.errors import NotFound
from fhir_server.exchange import FhirRequest, FhirResponse, Pairs
from fhir_server.interactions.search_system import pick_types
from fhir_server.interactions.searchset import Scope, search
from fhir_server.services import Services

EVERYTHING = "*"


async def search_compartment(request: FhirRequest, services: Services) -> FhirResponse:
    """A searchset of what lies in a compartment, of one type or (`*`) of all its types.

    Raises NotFound where the type has no compartments, or the member is not in this one: that is
    an error, never everything.
    """
    owner, id_, member = request.target.type, request.target.id, request.target.member
    members = services.definitions.compartments.get(owner)
    if members is None:
        raise NotFound(
            f"{owner} has no compartment; {', '.join(sorted(services.definitions.compartments))} "
            "have one",
            code="not-supported",
        )
    types: tuple[str, ...] = (member,)
    pairs: Pairs = request.query
    applied: Pairs = ()
    if member == EVERYTHING:
        named, pairs = pick_types(pairs, services.definitions.resource_types)
        applied = (("_type", ",".join(named)),) if named else ()
        types = named or tuple(sorted({*members, owner}))
    for type_ in types:
        if type_ not in members and type_ != owner:
            raise NotFound(f"{type_} is not in the compartment of a {owner}", code="not-supported")
    scope = Scope(types, f"{request.base}/{owner}/{id_}/{member}", f"{owner}/{id_}")
    return await search(scope, pairs, applied, request, services)
