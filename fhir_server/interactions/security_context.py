"""A Binary is readable by whoever may read its security context.

https://hl7.org/fhir/R4/binary.html#security: a Binary says nothing of whom it is about, and lies in
nobody's compartment; the resource in `securityContext` stands for it. The scopes must speak of
Binary all the same, and their conditions hold for it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.access.grant import Action
from fhir_server.errors import Gone, NotFound
from fhir_server.exchange import FhirRequest
from fhir_server.search.references import Target, literal
from fhir_server.services import Services
from fhir_server.store.resources import Version


class _Reference(msgspec.Struct):
    reference: str = ""


class _Binary(msgspec.Struct):
    securityContext: _Reference | None = None  # noqa: N815 - FHIR's name


async def read_in_context(request: FhirRequest, services: Services) -> Version | None:
    """The Binary that the request names, where its context is there and may be read; else None."""
    grant, id_ = request.grant, request.target.id
    if grant.shows_all("Binary"):
        return None  # what it does not show is not there
    own = grant.wherever("Binary", Action.READ, "the security context of the Binary may be read")
    try:
        found = await services.store.read("Binary", id_, own, request.session, whole=False)
        context = _context(await services.store.outlined(found), request)
        if context is None:
            return None
        await services.store.read(context.type, context.id, grant, request.session, whole=False)
    except (NotFound, Gone):
        return None
    return found


def _context(binary: Version, request: FhirRequest) -> Target | None:
    """The resource of this server that stands for the Binary, in whatever version it is now."""
    known: Any = msgspec.json.decode(binary.outline, type=_Binary).securityContext
    target = literal(known.reference) if known is not None else None
    if target is None or target.base not in ("", request.base):
        return None
    return target
