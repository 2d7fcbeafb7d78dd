"""Which client sends a request to the token endpoint and its neighbours (RFC 6749, 2.3).

Every client has one method, fixed when it was registered; no other one is accepted from it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from fhir_server.exchange import Pairs
from fhir_server.smart.assertion import TYPE, Assertions
from fhir_server.smart.client_metadata import ASSERTION, BASIC, NONE
from fhir_server.smart.client_secrets import matches
from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.errors import InvalidClient, OAuthError

LONGEST_SECRET = 1_000


class ClientAuthentication:
    """Finds out and proves who a client is."""

    def __init__(self, clients: Clients, assertions: Assertions) -> None:
        self._clients = clients
        self._assertions = assertions

    async def client(self, form: Mapping[str, str], authorization: str) -> Client:
        """The client, proven by its method. Raises InvalidClient; OAuthError for two methods."""
        scheme, _, credentials = authorization.partition(" ")
        basic = scheme.lower() == "basic"
        asserted = "client_assertion" in form or "client_assertion_type" in form
        if basic and asserted:
            raise OAuthError("invalid_request", "Authenticate by one method, not by two")
        if "client_secret" in form:
            raise InvalidClient("client_secret: send it by HTTP Basic, not in the body")
        if basic:
            return await self._by_secret(form, credentials)
        if asserted:
            return await self._by_assertion(form)
        client = await self._clients.find(form.get("client_id", ""))
        if client is None:
            raise InvalidClient("client_id: it is missing or unknown")
        if client.authentication != NONE:
            raise InvalidClient(
                f"This client authenticates by {client.authentication}",
                challenge=client.authentication == BASIC,
            )
        return client

    async def _by_secret(self, form: Mapping[str, str], credentials: str) -> Client:
        id_, secret = _basic(credentials)
        if form.get("client_id", id_) != id_:
            raise OAuthError("invalid_request", "client_id: it is not that of the Basic header")
        client = await self._clients.find(id_)
        symmetric = client is not None and client.authentication == BASIC
        # An unknown client costs as much time as a known one.
        right = await matches(secret, client.secret_hash if client and symmetric else None)
        if client is None or not right:
            raise InvalidClient("The client's id or secret is wrong", challenge=True)
        return client

    async def _by_assertion(self, form: Mapping[str, str]) -> Client:
        if form.get("client_assertion_type") != TYPE:
            raise InvalidClient(f"client_assertion_type: it must be {TYPE}")
        assertion = form.get("client_assertion", "")
        id_ = self._assertions.issuer(assertion)
        if form.get("client_id", id_) != id_:
            raise InvalidClient("client_id: it is not that of the client_assertion")
        client = await self._clients.find(id_)
        if client is None:
            raise InvalidClient("iss: no client is registered under this id")
        if client.authentication != ASSERTION:
            raise InvalidClient("This client does not authenticate by private_key_jwt")
        await self._assertions.verify(assertion, client)
        return client


def read_form(pairs: Pairs) -> dict[str, str]:
    """The parameters of a form that have a value. Raises OAuthError where one is repeated."""
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            raise OAuthError("invalid_request", f"{name[:40]}: it comes more than once")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def claimed_client(pairs: Pairs, authorization: str) -> str:
    """The id of the client that a request says it is of, unproven; empty where it names none."""
    form = dict(pairs)
    scheme, _, credentials = authorization.partition(" ")
    try:
        if scheme.lower() == "basic":
            return _basic(credentials)[0]
        if "client_assertion" in form:
            return Assertions.issuer(form["client_assertion"])
    except OAuthError:
        return ""
    return form.get("client_id", "")


def _basic(credentials: str) -> tuple[str, str]:
    """Id and secret of an HTTP Basic header; both are form-encoded in it (RFC 6749, 2.3.1)."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidClient("The Basic header cannot be read", challenge=True) from None
    id_, colon, secret = text.partition(":")
    if not colon or not id_ or not secret or len(secret) > LONGEST_SECRET:
        raise InvalidClient("The Basic header holds no id and secret", challenge=True)
    return unquote_plus(id_), unquote_plus(secret)
