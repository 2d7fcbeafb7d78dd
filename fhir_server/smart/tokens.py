"""Access tokens (RFC 9068) and id tokens: what they say, how they are made and read.

A resource server checks the signature, issuer, audience, type and times here, and asks
`store.tokens.Tokens.is_revoked(claims.jti, claims.family)` besides.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.clients import Client
from fhir_server.smart.endpoints import Endpoints
from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.keys import ACCESS, IDENTITY, SigningKeys
from fhir_server.store.tokens import Code, Family

ACCESS_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says. Times are whole seconds since 1970 UTC.

    `subject` is the account's id, or the client's for a backend service. `fhir_user` is a
    relative reference, `key_thumbprint` the `cnf.jkt` of DPoP.
    """

    subject: str
    client_id: str
    scope: str
    jti: str
    family: str
    issued: int
    expires: int
    patient: str | None = None
    encounter: str | None = None
    fhir_user: str | None = None
    tenant: str | None = None
    key_thumbprint: str | None = None


class TokenMaker:
    """Signs and reads the tokens of this server."""

    def __init__(self, settings: Settings, keys: SigningKeys, now: Callable[[], float]) -> None:
        self._settings = settings
        self._endpoints = Endpoints.of(settings)
        self._keys = keys
        self._now = now

    async def access_token(
        self, family: Family, scope: str, key: str | None = None
    ) -> tuple[str, int]:
        """A token for an app that a person approved, and its lifetime in seconds.

        `key` is the thumbprint of the key that it is bound to, None for a bearer token.
        """
        optional = {
            "patient": family.patient,
            "encounter": family.encounter,
            "fhirUser": family.fhir_user,
            "tenant": family.tenant,
        }
        seconds = self._settings.token_seconds
        token = await self._access(
            family.subject, family.client_id, scope, family.id, seconds, {**optional, **_bound(key)}
        )
        return token, seconds

    async def backend_token(
        self, client: Client, scope: str, key: str | None = None
    ) -> tuple[str, int]:
        """A token for a backend service, and its lifetime in seconds.

        All that such a client has are of the family of its registration and end with it.
        """
        seconds = self._settings.backend_token_seconds
        token = await self._access(client.id, client.id, scope, client.family, seconds, _bound(key))
        return token, seconds

    async def id_token(self, family: Family, code: Code, access_token: str) -> str:
        """The id token of OpenID Connect; `fhirUser` where that scope was granted."""
        now = int(self._now())
        claims: dict[str, Any] = {
            "iss": self._endpoints.issuer,
            "sub": family.subject,
            "aud": family.client_id,
            "iat": now,
            "exp": now + self._settings.token_seconds,
            "auth_time": family.auth_time,
            "at_hash": _half_hash(access_token),
        }
        if code.nonce is not None:
            claims["nonce"] = code.nonce
        if family.fhir_user and "fhirUser" in family.scope.split():
            claims["fhirUser"] = f"{self._endpoints.base}/{family.fhir_user}"
        return await self._keys.sign(IDENTITY, {"typ": "JWT"}, claims)

    async def read(self, token: str) -> AccessClaims:
        """What an access token of this server says. Raises InvalidToken unless it is good now.

        Whether it was revoked is asked apart.
        """
        read = await self._keys.verify(token, ACCESS)
        if read is None or read.header.get("typ", "").lower() != ACCESS_TYPE:
            raise InvalidToken("The token is not one of this server's access tokens")
        claims = read.claims
        if claims.get("iss") != self._endpoints.issuer:
            raise InvalidToken("The token is of another issuer")
        if claims.get("aud") != self._endpoints.base:
            raise InvalidToken("The token is for another server")
        # Our own clock wrote both: no leeway, or "expired" would not mean it.
        if not claims["exp"] > self._now():
            raise InvalidToken("The token has expired")
        return AccessClaims(
            subject=claims["sub"],
            client_id=claims["client_id"],
            scope=claims["scope"],
            jti=claims["jti"],
            family=claims["fam"],
            issued=claims["iat"],
            expires=claims["exp"],
            patient=claims.get("patient"),
            encounter=claims.get("encounter"),
            fhir_user=claims.get("fhirUser"),
            tenant=claims.get("tenant"),
            key_thumbprint=claims.get("cnf", {}).get("jkt"),
        )

    async def _access(
        self,
        subject: str,
        client_id: str,
        scope: str,
        family: str,
        seconds: int,
        optional: Mapping[str, Any],
    ) -> str:
        now = int(self._now())
        claims: dict[str, Any] = {
            "iss": self._endpoints.issuer,
            "aud": self._endpoints.base,
            "sub": subject,
            "client_id": client_id,
            "scope": scope,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(16),
            "fam": family,
            **{name: value for name, value in optional.items() if value is not None},
        }
        return await self._keys.sign(ACCESS, {"typ": ACCESS_TYPE}, claims)


def _bound(key: str | None) -> dict[str, Any]:
    """The claim that binds a token to a key (RFC 9449, 6)."""
    return {} if key is None else {"cnf": {"jkt": key}}


def _half_hash(token: str) -> str:
    """`at_hash` of OpenID Connect Core, 3.1.3.6, for RS256."""
    left = hashlib.sha256(token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(left).rstrip(b"=").decode()
