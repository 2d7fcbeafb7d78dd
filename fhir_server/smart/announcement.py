"""EHR launch: an EHR announces that it is about to open an app, and gets a `launch` for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.settings import Settings
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.client_authentication import ClientAuthentication
from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.errors import OAuthError, with_parameters
from fhir_server.smart.launch import context_fault, parse_launch
from fhir_server.store.authorizations import Authorizations
from fhir_server.store.opaque import new_token
from fhir_server.store.resources import Store


class Announcement:
    """The endpoint for EHRs."""

    def __init__(
        self,
        settings: Settings,
        authentication: ClientAuthentication,
        clients: Clients,
        bearer: Bearer,
        launches: Authorizations,
        store: Store,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._authentication = authentication
        self._clients = clients
        self._bearer = bearer
        self._launches = launches
        self._store = store
        self._now = now

    async def answer(self, announced: object, authorization: str) -> dict[str, Any]:
        """`launch` and `iss`, and `launch_url` where the app registered one to open.

        The EHR is a client with the right `ehr`: by HTTP Basic, or by an access token of its own,
        and then the launch is for the person who is signed in there. Raises OAuthError.
        """
        subject = await self._ehr(authorization)
        launch = parse_launch(announced)
        if subject is not None:
            if launch.user not in (None, subject):
                raise OAuthError("invalid_request", "user: it is not the one of the token")
            launch = replace(launch, user=subject)
        app = await self._clients.find(launch.client_id)
        if app is None or "authorization_code" not in app.grant_types:
            raise OAuthError("invalid_request", "client_id: no app is registered under this id")
        if fault := await self._fault(launch.patient, launch.encounter):
            raise OAuthError("invalid_request", fault)
        token = new_token()
        await self._launches.add_launch(
            token, launch.document(), self._now() + self._settings.launch_seconds
        )
        answer: dict[str, Any] = {
            "launch": token,
            "iss": self._settings.base,
            "expires_in": self._settings.launch_seconds,
        }
        if app.launch_uri is not None:
            given = {"iss": self._settings.base, "launch": token}
            answer["launch_url"] = with_parameters(app.launch_uri, given)
        return answer

    async def _ehr(self, authorization: str) -> str | None:
        """The person who is signed in at the EHR, None where the EHR speaks for itself."""
        subject: str | None = None
        client: Client | None
        if authorization.lower().startswith("bearer "):
            claims = await self._bearer.claims(authorization)
            client = await self._clients.find(claims.client_id)
            subject = claims.subject if claims.subject != claims.client_id else None
        else:
            client = await self._authentication.client({}, authorization)
        if client is None or not client.ehr:
            raise OAuthError(
                "insufficient_scope", "This client may not announce launches", status=403
            )
        return subject

    async def _fault(self, patient: str | None, encounter: str | None) -> str | None:
        if patient is not None:
            grant = Grant.system("launch: does the patient exist?")
            found = await self._store.current("Patient", patient, grant)
            if found is None or found.deleted:
                return "patient: no such patient"
        fault = await context_fault(self._store, patient, encounter)
        return f"encounter: {fault}" if fault else None
