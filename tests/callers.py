"""Callers of every kind, at a whole server in process: who holds which token."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from pymongo import MongoClient

from fhir_server.access.grant import Grant
from fhir_server.app import create_app
from fhir_server.dispatch import dispatch
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.smart.server import AuthorizationServer
from fhir_server.store import migrations
from fhir_server.store.tokens import Code, Family

BASE = "http://127.0.0.1:8080/fhir"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_numbers = itertools.count(1)


@dataclass
class Served:
    """A running server: its door, its parts, and ways to make tokens that it did not hand out."""

    client: httpx.AsyncClient
    services: Services
    smart: AuthorizationServer
    foreign: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))

    def family(self, **given: Any) -> Family:
        """An approval."""
        now = time.time()
        number = next(_numbers)
        fields: dict[str, Any] = {
            **{"id": f"family-{number}", "client_id": "app", "subject": f"account-{number}"},
            **{"scope": "", "created": now, "until": now + 3600, **given},
        }
        return Family(**fields)

    async def token(self, scope: str, **given: Any) -> str:
        """A good access token."""
        return (await self.smart.maker.access_token(self.family(scope=scope, **given), scope))[0]

    async def system(self, scope: str) -> str:
        """A good access token of a backend service."""
        return await self.token(scope, client_id="backend", subject="backend")

    async def id_token(self) -> str:
        """A good id token, which opens nothing."""
        family = self.family(scope="openid fhirUser", fhir_user="Practitioner/p")
        code = Code(family.id, "app", "http://127.0.0.1/", "challenge", "nonce")
        return await self.smart.maker.id_token(family, code, "access")

    def claims(self, **given: Any) -> dict[str, Any]:
        """The claims of a token that would open everything; None takes a claim away."""
        now = int(time.time())
        claims = {
            **{"iss": self.smart.endpoints.issuer, "aud": BASE, "sub": "account"},
            **{"client_id": "app", "scope": "user/*.cruds", "fhirUser": "Practitioner/p"},
            **{"iat": now, "exp": now + 300, "jti": f"j{next(_numbers)}", "fam": "f", **given},
        }
        return {name: value for name, value in claims.items() if value is not None}

    async def signed(self, header: dict[str, Any] | None = None, **given: Any) -> str:
        """A token with our own signature, whatever it says."""
        return await self.smart.keys.sign(
            "ES256", {"typ": "at+jwt", **(header or {})}, self.claims(**given)
        )

    def forged(self, header: dict[str, Any] | None = None, key: Any = None, **given: Any) -> str:
        """A token signed with another key than ours."""
        key = key or self.foreign
        names = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        names = {name: value for name, value in names.items() if value is not None}
        allowed = [names["alg"]]
        return jwt.encode(names, self.claims(**given), key, algorithms=allowed)

    def unsigned(self, algorithm: str = "none", **given: Any) -> str:
        """A token without any signature."""
        return f"{_part({'alg': algorithm, 'typ': 'at+jwt'})}.{_part(self.claims(**given))}."

    def hmac(self, secret: bytes, **given: Any) -> str:
        """A token signed with a shared secret."""
        text = f"{_part({'alg': 'HS256', 'typ': 'at+jwt'})}.{_part(self.claims(**given))}"
        signature = hmac.digest(secret, text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    async def ask(
        self, method: str, path: str, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """Ask below the base; with a token as its bearer."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if "json" in more:
            headers.setdefault("Content-Type", "application/fhir+json")
            more["content"] = json.dumps(more.pop("json"))
        return await self.client.request(method, path, headers=headers, **more)

    async def put(self, resource: dict[str, Any]) -> FhirResponse:
        """Store a resource as the server itself."""
        place = f"{resource['resourceType']}/{resource['id']}"
        headers = {"content-type": "application/fhir+json"}
        body = json.dumps(resource).encode()
        request = FhirRequest("PUT", place, Grant.open(), BASE, headers=headers, body=body)
        return await dispatch(request, self.services)

    async def remove(self, place: str) -> None:
        """Delete a resource as the server itself."""
        await dispatch(FhirRequest("DELETE", place, Grant.open(), BASE), self.services)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@asynccontextmanager
async def served(mongodb: str, name: str, **settings: Any) -> AsyncIterator[Served]:
    """A closed server on a database of its own, which is dropped afterwards."""
    await asyncio.to_thread(migrations.migrate, mongodb, name)
    app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=name, **settings))
    try:
        async with app.opened():
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=BASE + "/") as client:
                state = app._pages.state
                yield Served(client, state.services, state.smart)
    finally:
        with MongoClient[dict[str, Any]](mongodb) as database:
            database.drop_database(name)


def observation(
    id_: str, patient: str, category: str = "laboratory", code: str = "1-1", **more: Any
) -> dict[str, Any]:
    """An Observation of a patient."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2024-01-01",
        **more,
    }
