"""What a reference may look like when it is stored, and whether its target must exist.

https://hl7.org/fhir/R4/references.html#literal. A conditional reference is stored by nobody: only
transactions resolve them. Where the settings ask for it, references to this server (relative ones
and those below its own base) are looked up, by what the caller may see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fhir_server.errors import Issue, Unprocessable
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import references
from fhir_server.fhir.codec import Resource
from fhir_server.services import Services
from fhir_server.store.transaction import Session

_LOT = 1000
_CONDITIONAL = re.compile(rb'"reference":"(?:https?://[^"?]*/)?[A-Z][A-Za-z]+\?')


def refuse_conditional_references(resource: Resource, raw: bytes) -> None:
    """Raise Unprocessable where the resource (`raw` is its minified JSON) has one."""
    if b"?" not in raw or not _CONDITIONAL.search(raw):
        return
    for found in references.find(resource):
        if found.type == "Reference" and references.parse(found.text).query:
            raise Unprocessable(
                f"{found.text[:200]} is a conditional reference; only transactions resolve them",
                expression=found.place,
                code="not-supported",
            )


async def check_references(
    resources: Iterable[Resource],
    request: FhirRequest,
    services: Services,
    session: Session | None = None,
) -> None:
    """Raise Unprocessable with every reference to what does not exist; if `reference_check`."""
    if not services.settings.reference_check:
        return
    places: dict[tuple[str, str], str] = {}
    for resource in resources:
        own = (resource["resourceType"], resource.get("id"))
        for found in references.find(resource):
            literal = references.parse(found.text)
            if (
                found.type == "Reference"
                and literal.id
                and literal.base in ("", request.base)
                and (literal.type, literal.id) != own
            ):
                places.setdefault((literal.type, literal.id), found.place)
    wanted = list(places)
    missing: list[tuple[str, str]] = []
    for start in range(0, len(wanted), _LOT):
        lot = wanted[start : start + _LOT]
        known = await services.store.read_many(lot, request.grant, session)
        missing += (reference for reference in lot if reference not in known)
    if missing:
        raise Unprocessable(
            issues=[
                Issue(
                    "error",
                    "not-found",
                    f"{type_}/{id_} does not exist; references must lead somewhere here",
                    (places[type_, id_],),
                )
                for type_, id_ in missing
            ]
        )
