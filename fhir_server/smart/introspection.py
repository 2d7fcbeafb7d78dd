"""Token introspection: RFC 7662.

https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.exchange import Pairs
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.client_authentication import ClientAuthentication, read_form
from fhir_server.smart.client_metadata import NONE
from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.endpoints import Endpoints
from fhir_server.smart.errors import InvalidClient, InvalidToken, OAuthError
from fhir_server.smart.tokens import AccessClaims
from fhir_server.store.tokens import Family, Tokens

INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    """Says what a token is good for, to those who may know."""

    def __init__(
        self,
        endpoints: Endpoints,
        authentication: ClientAuthentication,
        clients: Clients,
        bearer: Bearer,
        tokens: Tokens,
        now: Callable[[], float],
    ) -> None:
        self._endpoints = endpoints
        self._authentication = authentication
        self._clients = clients
        self._bearer = bearer
        self._tokens = tokens
        self._now = now

    async def answer(self, pairs: Pairs, authorization: str) -> dict[str, Any]:
        """The introspection response; `active: false` alone for anything that is not good now.

        The caller is a client with the right of introspection, by its own authentication or by a
        bearer token of its own, and sees any client's tokens; or a confidential client without
        that right, which sees its own. Raises OAuthError.
        """
        form = read_form(pairs)
        caller = await self._caller(form, authorization)
        token = form.get("token")
        if token is None:
            raise OAuthError("invalid_request", "token: it is missing")
        told = await self._access(token) or await self._refresh(token)
        if told is None or not (caller.introspection or told["client_id"] == caller.id):
            return INACTIVE
        return told

    async def _caller(self, form: dict[str, str], authorization: str) -> Client:
        if authorization.lower().startswith("bearer "):
            claims = await self._bearer.claims(authorization)
            client = await self._clients.find(claims.client_id)
            if client is None or not client.introspection:
                raise OAuthError(
                    "insufficient_scope", "This client may not introspect tokens", status=403
                )
            return client
        client = await self._authentication.client(form, authorization)
        if client.authentication == NONE:
            raise InvalidClient("Introspection is for clients that can keep a secret")
        return client

    async def _access(self, token: str) -> dict[str, Any] | None:
        try:
            claims = await self._bearer.verified(token)
        except InvalidToken:
            return None
        told = self._told(claims)
        family = await self._tokens.family(claims.family, self._now())
        if family is not None:
            told.update(family.context)
        return told

    def _told(self, claims: AccessClaims) -> dict[str, Any]:
        told: dict[str, Any] = {
            "active": True,
            "scope": claims.scope,
            "client_id": claims.client_id,
            "token_type": "Bearer",
            "exp": claims.expires,
            "iat": claims.issued,
            "sub": claims.subject,
            "aud": self._endpoints.base,
            "iss": self._endpoints.issuer,
            "jti": claims.jti,
        }
        if claims.key_thumbprint is not None:
            told |= {"token_type": "DPoP", "cnf": {"jkt": claims.key_thumbprint}}
        return {**told, **self._context(claims)}

    def _context(self, of: AccessClaims | Family) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if of.patient is not None:
            told["patient"] = of.patient
        if of.encounter is not None:
            told["encounter"] = of.encounter
        if of.fhir_user is not None and "fhirUser" in of.scope.split():
            told["fhirUser"] = f"{self._endpoints.base}/{of.fhir_user}"
        return told

    async def _refresh(self, token: str) -> dict[str, Any] | None:
        held = await self._tokens.holder(token, unused=True)
        family = await self._tokens.family(held[1], self._now()) if held else None
        if family is None:
            return None
        return {
            "active": True,
            "scope": family.scope,
            "client_id": family.client_id,
            "exp": int(family.until),
            "sub": family.subject,
            "iss": self._endpoints.issuer,
            **self._context(family),
            **family.context,
        }
