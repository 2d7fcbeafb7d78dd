"""Who is calling: the claims of a verified access token, in the words of access decisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.access.scopes import Scopes, parse_scopes

Kind = Literal["patient", "related", "practitioner", "system", "admin"]

_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}\Z")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}\Z")
_KINDS: dict[str, Kind] = {
    "Patient": "patient",
    "RelatedPerson": "related",
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `subject` is the account's or the client's id.

    `fhir_user` is a reference such as `Practitioner/1`, `patient` and `encounter` are the logical
    ids of the launch context. `jti` and `family` are what a revocation names; `key_thumbprint` is
    that of the key that must sign each request (DPoP), None for a bearer token.
    """

    subject: str
    client_id: str
    scopes: Scopes
    kind: Kind
    fhir_user: str | None = None
    patient: str | None = None
    encounter: str | None = None
    jti: str = ""
    family: str = ""
    issuer: str = ""
    key_thumbprint: str | None = None


def principal_of(claims: Mapping[str, Any], issuer: str, base: str) -> Principal:
    """The caller that verified claims name. Raises ValueError for claims that name none.

    `issuer` is empty for this server's own tokens; `base` is the FHIR base of references.

    Whoever is tied to no person of FHIR is an administrator, without health data, unless the token
    is the client's own (`sub` is the client).
    """
    subject, client = _text(claims, "sub"), _text(claims, "client_id")
    if not subject or not client:
        raise ValueError("sub and client_id must say who is calling")
    fhir_user = _relative(_text(claims, "fhirUser"), base)
    kind: Kind = "admin"
    if fhir_user is not None:
        kind = _KINDS.get(fhir_user.partition("/")[0], "admin")
    elif subject == client:
        kind = "system"
    confirmation = claims.get("cnf")
    thumbprint = _text(confirmation, "jkt") if isinstance(confirmation, Mapping) else None
    if confirmation is not None and not thumbprint:
        raise ValueError("cnf names no key by jkt")
    return Principal(
        subject,
        client,
        parse_scopes(_text(claims, "scope") or ""),
        kind,
        fhir_user,
        _id(claims, "patient"),
        _id(claims, "encounter"),
        _text(claims, "jti") or "",
        _text(claims, "fam") or "",
        issuer,
        thumbprint,
    )


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be text")
    return value or None


def _id(claims: Mapping[str, Any], name: str) -> str | None:
    value = _text(claims, name)
    if value is not None and not _ID.match(value):
        raise ValueError(f"{name} must be a logical id")
    return value


def _relative(reference: str | None, base: str) -> str | None:
    """`Practitioner/1`, from a URL below the base too; ValueError for a person elsewhere."""
    if reference is None:
        return None
    relative = reference.removeprefix(f"{base}/")
    if not _REFERENCE.match(relative):
        raise ValueError("fhirUser is no reference to a person of this server")
    return relative
