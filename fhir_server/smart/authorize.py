"""The authorization request: checked, held while a person decides, answered by a redirect.

RFC 6749, 4.1.1-2; RFC 7636; RFC 9207; https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html

`begin` -> the pages sign the person in and ask -> `complete` or `refuse` -> back to the app.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fhir_server.access.scopes import Scopes, intersect, parse_scopes
from fhir_server.exchange import Pairs
from fhir_server.settings import Settings
from fhir_server.smart.authorization_request import Understood, askable, checked, once
from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.endpoints import STYLE, Endpoints
from fhir_server.smart.errors import OAuthError, Redirected, with_parameters
from fhir_server.smart.launch import LaunchContext, context_fault
from fhir_server.store.authorizations import Authorizations
from fhir_server.store.opaque import digest, new_token
from fhir_server.store.resources import Store
from fhir_server.store.tokens import REMEMBERED, Code, Family, Tokens


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """A request in order, waiting for a decision under the opaque `id`.

    `scope` is what may be asked of the person: what the app wants and may have. `launch` is set
    for an EHR launch. `prompt`, `max_age`, `login_hint` and `ui_locales` are OpenID Connect's.
    """

    id: str
    client_id: str
    client_name: str
    redirect_uri: str
    scope: str
    challenge: str
    state: str | None = None
    nonce: str | None = None
    prompt: str | None = None
    max_age: int | None = None
    login_hint: str | None = None
    ui_locales: str | None = None
    key_thumbprint: str | None = None
    launch: LaunchContext | None = None
    launch_digest: str | None = None

    @property
    def scopes(self) -> Scopes:
        """What is asked, read."""
        return parse_scopes(self.scope)

    @property
    def needs_patient(self) -> bool:
        """Whether a patient must be chosen: for patient/ scopes or for `launch/patient`."""
        scopes = self.scopes
        return "patient" in scopes.levels() or "launch/patient" in scopes

    @property
    def needs_encounter(self) -> bool:
        """Whether the app asks for an encounter."""
        return "launch/encounter" in self.scopes


@dataclass(frozen=True, slots=True)
class Approval:
    """What a signed-in person decided.

    `subject` is the account's id, `fhir_user` its relative reference (`Patient/1`). `scope` is
    what the person grants: more than was asked counts for nothing. `patient` and `encounter` are
    logical ids; whoever makes an Approval has checked that the person may open them. `session` is
    the id of the sign-in session, `auth_time` its begin in seconds since 1970.
    """

    subject: str
    scope: str
    auth_time: int
    fhir_user: str | None = None
    patient: str | None = None
    encounter: str | None = None
    session: str | None = None


class Authorizer:
    """The authorization endpoint but for HTTP and pages."""

    def __init__(
        self,
        settings: Settings,
        clients: Clients,
        requests: Authorizations,
        tokens: Tokens,
        store: Store,
        now: Callable[[], float],
        understood: Understood,
    ) -> None:
        self._settings = settings
        self._endpoints = Endpoints.of(settings)
        self._clients = clients
        self._requests = requests
        self._tokens = tokens
        self._store = store
        self._now = now
        self._understood = understood

    async def begin(self, pairs: Pairs) -> PendingAuthorization:
        """Check an authorization request and hold it.

        Raises OAuthError where the browser must stay here (client or redirect URI in doubt), and
        Redirected where the app is told of the error.
        """
        given = once(pairs, ("client_id", "redirect_uri"))
        client = await self._clients.find(given.get("client_id", ""))
        if client is None or "authorization_code" not in client.grant_types:
            raise OAuthError("invalid_client", "client_id: no app is registered under this id")
        uri = given.get("redirect_uri", "")
        if not client.may_redirect_to(uri):
            raise OAuthError(
                "invalid_request", "redirect_uri: it is not one of those that the app registered"
            )
        state = next((value for name, value in pairs if name == "state"), None)
        try:
            pending = await self._checked(client, uri, pairs)
        except OAuthError as error:
            raise Redirected(self._refusal(uri, state, error), error) from None
        document = asdict(pending)
        document["launch"] = pending.launch.document() if pending.launch else None
        until = self._now() + self._settings.approval_seconds
        await self._requests.hold(pending.id, document, until)
        return pending

    async def pending(self, id_: str) -> PendingAuthorization | None:
        """The request that waits under an id; None where it was decided or is too old."""
        document = await self._requests.held(id_, self._now())
        return _pending(document) if document else None

    async def refuse(self, id_: str, error: str = "access_denied") -> str:
        """Where the browser goes when the person says no. Raises OAuthError if nothing waits.

        `error` may be one of OpenID Connect's (`login_required`, `consent_required`).
        """
        pending = await self._take(id_)
        text = "The person did not allow it" if error == "access_denied" else "A person must decide"
        return self._refusal(pending.redirect_uri, pending.state, OAuthError(error, text))

    async def complete(self, id_: str, approval: Approval) -> str:
        """Where the browser goes, with a code, when the person says yes.

        What cannot be granted after all is an error to the app. Raises OAuthError if nothing waits.
        """
        pending = await self._take(id_)
        try:
            code = await self._issue(pending, approval)
        except OAuthError as error:
            return self._refusal(pending.redirect_uri, pending.state, error)
        return with_parameters(
            pending.redirect_uri,
            {"code": code, "state": pending.state, "iss": self._endpoints.issuer},
        )

    async def _take(self, id_: str) -> PendingAuthorization:
        document = await self._requests.take(id_, self._now())
        if document is None:
            raise OAuthError(
                "invalid_request", "This request was decided or is too old; begin again in the app"
            )
        return _pending(document)

    async def _checked(self, client: Client, uri: str, pairs: Pairs) -> PendingAuthorization:
        given = checked(pairs, self._endpoints.base)
        scopes = askable(client, given.get("scope", ""), self._understood)
        launch = None
        if "launch" in scopes:
            launch = await self._launch(client, given.get("launch"))
            if launch is None:
                scopes = scopes.without(("launch",))
        max_age = given.get("max_age")
        return PendingAuthorization(
            id=new_token(),
            client_id=client.id,
            client_name=client.name,
            redirect_uri=uri,
            scope=str(scopes),
            challenge=given["code_challenge"],
            state=given.get("state"),
            nonce=given.get("nonce"),
            prompt=given.get("prompt"),
            max_age=int(max_age) if max_age is not None else None,
            login_hint=given.get("login_hint"),
            ui_locales=given.get("ui_locales"),
            key_thumbprint=given.get("dpop_jkt"),
            launch=launch,
            launch_digest=digest(given["launch"]) if launch else None,
        )

    async def _launch(self, client: Client, token: str | None) -> LaunchContext | None:
        if token is None:
            return None
        document = await self._requests.launch(token, self._now())
        if document is None or document["client_id"] != client.id:
            raise OAuthError("invalid_request", "launch: it is unknown, used or too old")
        return LaunchContext.of(document)

    async def _issue(self, pending: PendingAuthorization, approval: Approval) -> str:
        """A code for what is granted. Raises OAuthError where nothing can be."""
        now = self._now()
        launch = pending.launch
        patient, encounter = approval.patient, approval.encounter
        if launch is not None:
            if launch.user is not None and launch.user not in (
                approval.subject,
                approval.fhir_user,
            ):
                raise OAuthError("access_denied", "The launch is for another person")
            if launch.patient is not None:
                if patient not in (None, launch.patient):
                    raise OAuthError("access_denied", "The launch is for another patient")
                patient, encounter = launch.patient, encounter or launch.encounter
        if fault := await context_fault(self._store, patient, encounter):
            raise OAuthError("access_denied", f"{fault[:1].upper()}{fault[1:]}")
        granted = intersect(parse_scopes(approval.scope), pending.scopes)
        if patient is None:
            granted = without_patient(granted)
        if not granted.resources and not granted.named:
            raise OAuthError("access_denied", "Nothing of what was asked is granted")
        if pending.launch_digest and not await self._requests.use_launch(
            pending.launch_digest, now
        ):
            raise OAuthError("invalid_request", "launch: it is used or too old")
        family = self._family(pending, approval, granted, now)
        family = replace(family, patient=patient, encounter=encounter)
        await self._tokens.add_family(family)
        code = new_token()
        issued = Code(
            family.id, pending.client_id, pending.redirect_uri, pending.challenge, pending.nonce
        )
        until = now + self._settings.code_seconds
        await self._tokens.add_code(code, issued, until, now + REMEMBERED)
        return code

    def _family(
        self, pending: PendingAuthorization, approval: Approval, granted: Scopes, now: float
    ) -> Family:
        settings = self._settings
        offline, online = "offline_access" in granted, "online_access" in granted
        if offline:
            lasting = settings.refresh_seconds
        elif online:
            lasting = settings.online_seconds
        else:
            lasting = settings.code_seconds + settings.token_seconds
        launch = pending.launch or LaunchContext(pending.client_id)
        return Family(
            id=secrets.token_urlsafe(16),
            client_id=pending.client_id,
            subject=approval.subject,
            scope=str(granted),
            created=now,
            until=now + lasting,
            session=None if offline else approval.session,
            fhir_user=approval.fhir_user,
            tenant=launch.tenant,
            auth_time=approval.auth_time,
            key_thumbprint=pending.key_thumbprint,
            context=launch.parameters(self._endpoints.at(STYLE)),
        )

    def _refusal(self, uri: str, state: str | None, error: OAuthError) -> str:
        return with_parameters(
            uri,
            {
                "error": error.error,
                "error_description": error.description,
                "state": state,
                "iss": self._endpoints.issuer,
            },
        )


def without_patient(scopes: Scopes) -> Scopes:
    """What is left of the scopes when no patient was chosen."""
    return replace(
        scopes,
        resources=tuple(s for s in scopes.resources if s.level != "patient"),
        named=tuple(n for n in scopes.named if n not in ("launch/patient", "launch/encounter")),
    )


def _pending(document: Mapping[str, Any]) -> PendingAuthorization:
    launch = document["launch"]
    return PendingAuthorization(
        **{**document, "launch": LaunchContext.of(launch) if launch else None}
    )
