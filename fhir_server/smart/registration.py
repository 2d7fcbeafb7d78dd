"""Dynamic client registration and its management (RFC 7591, RFC 7592)."""

from __future__ import annotations

import hmac
from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.endpoints import REGISTER, Endpoints
from fhir_server.smart.errors import InvalidToken, OAuthError
from fhir_server.store.opaque import digest, new_token

SOURCE = "registration"


class Registration:
    """Apps that register themselves, as far as the policy lets them."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._settings = settings
        self._endpoints = Endpoints.of(settings)
        self._clients = clients

    async def register(self, metadata: object, authorization: str) -> dict[str, Any]:
        """The client information response for a new client. Raises OAuthError.

        Who registers itself never gets system/ scopes by that: a backend service is authorised by
        the operator.
        """
        self._permit(authorization)
        _refuse_backend(metadata)
        management = new_token()
        client, secret = await self._clients.register(
            metadata,
            source=SOURCE,
            management_hash=digest(management),
            test_http=self._settings.test_http,
        )
        answer = self._information(client)
        if secret is not None:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return {**answer, "registration_access_token": management}

    async def read(self, id_: str, authorization: str) -> dict[str, Any]:
        """What is registered of a client. Raises InvalidToken."""
        return self._information(await self._managed(id_, authorization))

    async def update(self, id_: str, metadata: object, authorization: str) -> dict[str, Any]:
        """The client with other metadata in place of all it had. Raises OAuthError."""
        client = await self._managed(id_, authorization)
        if not isinstance(metadata, dict) or metadata.get("client_id") != id_:
            raise OAuthError("invalid_client_metadata", "client_id: it must be the client's own")
        _refuse_backend(metadata)
        method = metadata.get("token_endpoint_auth_method", client.authentication)
        if method != client.authentication:
            raise OAuthError(
                "invalid_client_metadata",
                "token_endpoint_auth_method: it stays as it is; register another client",
            )
        wanted = {**metadata, "token_endpoint_auth_method": method}
        return self._information(
            await self._clients.replace(client, wanted, test_http=self._settings.test_http)
        )

    async def remove(self, id_: str, authorization: str) -> None:
        """Forget a client and end its tokens. Raises InvalidToken."""
        await self._managed(id_, authorization)
        await self._clients.remove(id_)

    def _permit(self, authorization: str) -> None:
        if self._settings.registration == "open":
            return
        wanted = self._settings.registration_token
        if self._settings.registration == "off" or not wanted:
            raise OAuthError("access_denied", "This server registers no clients", status=403)
        if not hmac.compare_digest(_bearer(authorization).encode(), wanted.encode()):
            raise InvalidToken("The initial access token is wrong")

    async def _managed(self, id_: str, authorization: str) -> Client:
        client = await self._clients.find(id_)
        kept = await self._clients.management_hash(id_) if client else None
        right = hmac.compare_digest(digest(_bearer(authorization)), kept or "")
        if client is None or kept is None or not right:
            raise InvalidToken("The registration access token is not of this client")
        return client

    def _information(self, client: Client) -> dict[str, Any]:
        return {
            "client_id": client.id,
            **client.metadata,
            "registration_client_uri": f"{self._endpoints.at(REGISTER)}/{client.id}",
        }


def _refuse_backend(metadata: object) -> None:
    if isinstance(metadata, dict) and "client_credentials" in (metadata.get("grant_types") or ()):
        raise OAuthError(
            "invalid_client_metadata",
            "grant_types: backend services are registered by the operator of this server",
        )


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
