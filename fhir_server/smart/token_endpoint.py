"""The token endpoint (RFC 6749, 4.1.3, 4.4 and 6; RFC 7636, 4.5-6).

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fhir_server.access.scopes import Scopes, intersect, parse_scopes
from fhir_server.errors import MalformedRequest
from fhir_server.exchange import Pairs
from fhir_server.settings import Settings
from fhir_server.smart.authorization_request import Understood
from fhir_server.smart.client_authentication import ClientAuthentication, read_form
from fhir_server.smart.client_metadata import GRANTS
from fhir_server.smart.clients import Client
from fhir_server.smart.dpop import Proofs
from fhir_server.smart.endpoints import TOKEN, Endpoints
from fhir_server.smart.errors import InvalidToken, OAuthError
from fhir_server.smart.tokens import TokenMaker
from fhir_server.store.opaque import new_token
from fhir_server.store.tokens import Family, Replayed, Tokens

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")

SessionCheck = Callable[[str], Awaitable[bool]]
"""Whether a sign-in session still lasts, by its id."""


class TokenEndpoint:
    """Answers token requests."""

    def __init__(
        self,
        settings: Settings,
        authentication: ClientAuthentication,
        tokens: Tokens,
        maker: TokenMaker,
        proofs: Proofs,
        now: Callable[[], float],
        understood: Understood,
        lasts: SessionCheck | None = None,
    ) -> None:
        self._settings = settings
        self._authentication = authentication
        self._tokens = tokens
        self._maker = maker
        self._proofs = proofs
        self._url = Endpoints.of(settings).at(TOKEN)
        self._now = now
        self._understood = understood
        self._lasts = lasts

    async def answer(self, pairs: Pairs, authorization: str, proof: str = "") -> dict[str, Any]:
        """The token response. Raises OAuthError.

        With a DPoP `proof` the tokens are bound to its key (RFC 9449, 5).
        """
        form = read_form(pairs)
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "grant_type: it is missing")
        if grant_type == "refresh_token" and not authorization:
            form = await self._with_holder(form)
        client = await self._authentication.client(form, authorization)
        if grant_type not in GRANTS:
            raise OAuthError("unsupported_grant_type", f"grant_type: use {', '.join(GRANTS)}")
        if grant_type not in client.grant_types:
            raise OAuthError("unauthorized_client", "grant_type: this client may not use it")
        key = await self._key(proof) if proof else None
        match grant_type:
            case "authorization_code":
                return await self._by_code(form, client, key)
            case "refresh_token":
                return await self._by_refresh(form, client, key)
        return await self._by_credentials(form, client, key)

    async def _with_holder(self, form: dict[str, str]) -> dict[str, str]:
        """The form with the client that holds the refresh token, where it names none itself.

        SMART's refresh request has no client_id, and npm's fhirclient sends none. Only public
        clients come through so: a confidential one must still authenticate.
        """
        if "client_id" in form or "client_assertion" in form:
            return form
        held = await self._tokens.holder(form.get("refresh_token", ""))
        return {**form, "client_id": held[0]} if held else form

    async def _by_code(
        self, form: Mapping[str, str], client: Client, key: str | None
    ) -> dict[str, Any]:
        for name in ("code", "redirect_uri", "code_verifier"):
            if name not in form:
                raise OAuthError("invalid_request", f"{name}: it is missing")
        try:
            code = await self._tokens.redeem(form["code"], self._now())
        except Replayed:
            raise _invalid_grant(
                "code: it was used before; what was issued for it is revoked"
            ) from None
        # From here on the code is used up, also where the request turns out to be wrong.
        if code is None or code.client_id != client.id:
            raise _invalid_grant("code: it is unknown, too old or of another client")
        if form["redirect_uri"] != code.redirect_uri:
            raise _invalid_grant("redirect_uri: it is not that of the authorization request")
        if not _proves(form["code_verifier"], code.challenge):
            raise _invalid_grant("code_verifier: it does not fit the code_challenge")
        family = await self._tokens.family(code.family, self._now())
        if family is None:
            raise _invalid_grant("code: what was approved has been revoked")
        if family.key_thumbprint not in (None, key):
            raise _invalid_proof("The DPoP proof is not of the key in dpop_jkt")
        if key is not None:
            await self._tokens.bind(family.id, key)
        answer = await self._answer(family, family.scope, key)
        scopes = parse_scopes(family.scope)
        if "openid" in scopes:
            answer["id_token"] = await self._maker.id_token(family, code, answer["access_token"])
        if "offline_access" in scopes or "online_access" in scopes:
            token = new_token()
            await self._tokens.add_refresh(token, family)
            answer["refresh_token"] = token
        return answer

    async def _by_refresh(
        self, form: Mapping[str, str], client: Client, key: str | None
    ) -> dict[str, Any]:
        token = form.get("refresh_token")
        if token is None:
            raise OAuthError("invalid_request", "refresh_token: it is missing")
        held = await self._tokens.holder(token)
        if held is None or held[0] != client.id:
            raise _invalid_grant("refresh_token: it is unknown or of another client")
        now = self._now()
        family = await self._tokens.family(held[1], now)
        if family is None or not await self._holds(family):
            raise _invalid_grant("refresh_token: what was approved has ended or been revoked")
        if family.key_thumbprint is not None and (
            key is None or (key != family.key_thumbprint and client.kind == "public")
        ):
            raise _invalid_proof("The refresh token is bound to a key: send a DPoP proof of it")
        scope = self._narrowed(family, form.get("scope"), client)
        offline = "offline_access" in family.scope.split()
        until = now + self._settings.refresh_seconds if offline else family.until
        successor = new_token()
        try:
            rotated = await self._tokens.rotate(
                token,
                successor,
                now,
                until=until,
                grace=self._settings.refresh_grace_seconds,
            )
        except Replayed:
            raise _invalid_grant(
                "refresh_token: it was used before; what was issued for it is revoked"
            ) from None
        if rotated is None:
            raise _invalid_grant("refresh_token: what was approved has ended or been revoked")
        return {**await self._answer(rotated, scope, key), "refresh_token": successor}

    async def _by_credentials(
        self, form: Mapping[str, str], client: Client, key: str | None
    ) -> dict[str, Any]:
        if "scope" not in form:
            raise OAuthError("invalid_scope", "scope: say which system/ scopes are needed")
        asked = _scopes(form["scope"])
        asked = Scopes(tuple(s for s in asked.resources if s.level == "system"))
        granted = self._understood(intersect(asked, parse_scopes(client.scope)))
        if not granted.resources:
            raise OAuthError("invalid_scope", "scope: none of these can be granted to this client")
        token, seconds = await self._maker.backend_token(client, str(granted), key)
        return {
            "access_token": token,
            "token_type": _kind(key),
            "expires_in": seconds,
            "scope": str(granted),
        }

    async def _key(self, proof: str) -> str:
        """The thumbprint of the key that the tokens are to be bound to."""
        try:
            return await self._proofs.thumbprint(proof, "POST", self._url)
        except InvalidToken as error:
            raise _invalid_proof(error.description) from None

    async def _answer(self, family: Family, scope: str, key: str | None) -> dict[str, Any]:
        token, seconds = await self._maker.access_token(family, scope, key)
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": _kind(key),
            "expires_in": seconds,
            "scope": scope,
        }
        if family.patient is not None:
            answer["patient"] = family.patient
        if family.encounter is not None:
            answer["encounter"] = family.encounter
        return {**answer, **family.context}

    async def _holds(self, family: Family) -> bool:
        """Whether access that was granted for a session only still has its session."""
        if family.session is None or self._lasts is None:
            return True
        return await self._lasts(family.session)

    def _narrowed(self, family: Family, wanted: str | None, client: Client) -> str:
        """The scope of the next access token: what was granted, or the less that is asked for."""
        granted = parse_scopes(family.scope)
        scopes = granted
        if wanted is not None:
            scopes = _scopes(wanted)
            if scopes.unknown or not scopes.within(granted):
                raise OAuthError("invalid_scope", "scope: it goes beyond what was granted")
        if client.scope:
            scopes = intersect(scopes, parse_scopes(client.scope))
        scopes = self._understood(scopes)
        if not scopes.resources and not scopes.named:
            raise OAuthError("invalid_scope", "scope: nothing of it can be granted any more")
        return str(scopes)


def _scopes(text: str) -> Scopes:
    try:
        return parse_scopes(text)
    except MalformedRequest as error:
        raise OAuthError("invalid_scope", str(error)) from None


def _proves(verifier: str, challenge: str) -> bool:
    """Whether the SHA-256 of the verifier is the challenge (RFC 7636, 4.6)."""
    if not _VERIFIER.match(verifier):
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest())
    return hmac.compare_digest(made.rstrip(b"="), challenge.encode())


def _invalid_grant(description: str) -> OAuthError:
    return OAuthError("invalid_grant", description)


def _invalid_proof(description: str) -> OAuthError:
    return OAuthError("invalid_dpop_proof", description)


def _kind(key: str | None) -> str:
    """The type of a token: bound to a key or good for whoever bears it."""
    return "Bearer" if key is None else "DPoP"
