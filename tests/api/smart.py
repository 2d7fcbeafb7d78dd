"""Apps and services as they come to the authorization server, for its tests."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

ROOT = "http://127.0.0.1:8080"
BASE = ROOT + "/fhir"
TOKEN = ROOT + "/auth/token"
AUTHORIZE = ROOT + "/auth/authorize"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET = "a secret: with signs/+%"

ES384 = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384", "kid": "es"})
RS384 = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS384", "kid": "rs"})
JWKS = {"keys": [ES384.as_dict(private=False), RS384.as_dict(private=False)]}
CALLBACK = "https://app.example.org/callback"

CLIENTS: list[dict[str, Any]] = [
    {
        "client_id": "public",
        "client_name": "A public app",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK, "https://app.example.org/other?with=query"],
        "launch_uri": "https://app.example.org/launch",
    },
    {
        "client_id": "stranger",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://stranger.example.org/callback"],
    },
    {
        "client_id": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback", "org.example.app:/callback"],
    },
    {
        "client_id": "symmetric",
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "scope": "openid fhirUser offline_access online_access launch/patient patient/*.rs",
    },
    {
        "client_id": "asymmetric",
        "token_endpoint_auth_method": "private_key_jwt",
        "redirect_uris": [CALLBACK],
        "jwks": JWKS,
    },
    {
        "client_id": "backend",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "scope": "system/Patient.rs system/Observation.rs",
        "jwks": JWKS,
    },
    {
        "client_id": "introspector",
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "introspection": True,
    },
    {
        "client_id": "ehr",
        "client_secret": SECRET,
        "redirect_uris": ["https://ehr.example.org/callback"],
        "ehr": True,
    },
]


def clients_file(folder: Path, *more: dict[str, Any]) -> str:
    """The path of a file with these clients."""
    path = folder / "clients.json"
    path.write_text(json.dumps([*CLIENTS, *more]))
    return str(path)


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    """The header of client_secret_basic, form-encoded as RFC 6749 wants it."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assertion(
    client_id: str,
    key: Key = ES384,
    *,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> dict[str, str]:
    """The form parameters of private_key_jwt; a claim or header that is None is left out."""
    alg = "ES384" if isinstance(key, ECKey) else "RS384"
    head = {"alg": alg, "typ": "JWT", "kid": key.kid, **(header or {})}
    body = {
        "iss": client_id,
        "sub": client_id,
        "aud": TOKEN,
        "exp": int(time.time()) + 290,
        "jti": secrets.token_urlsafe(12),
        **claims,
    }
    signed = jws.serialize_compact(
        {name: value for name, value in head.items() if value is not None},
        json.dumps({name: value for name, value in body.items() if value is not None}),
        key,
        algorithms=[head["alg"]],
    )
    return {"client_assertion_type": ASSERTION, "client_assertion": signed}


def pkce() -> tuple[str, str]:
    """A fresh verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    made = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def parameters(location: str) -> dict[str, str]:
    """The parameters of the URL that a browser is sent to, each there once."""
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def claims_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, unverified."""
    head, body, _ = token.split(".")
    return tuple(
        json.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4))) for p in (head, body)
    )


def assert_error(answer: httpx.Response, error: str, status: int = 400) -> None:
    """A refusal of the token endpoint and its neighbours, by RFC 6749, 5.2 and SMART."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["error_description"]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


@dataclass
class App:
    """An app that uses the server through HTTP, with its own way of authenticating."""

    http: httpx.AsyncClient
    client_id: str = "public"
    redirect_uri: str = CALLBACK
    scope: str = "launch/patient patient/*.rs offline_access openid fhirUser"
    verifier: str = field(default="", init=False)

    async def authorize(self, method: str = "GET", **changes: Any) -> httpx.Response:
        """An authorization request; None leaves a parameter out."""
        self.verifier, challenge = pkce()
        given = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": "st",
            "aud": BASE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        sent = {name: value for name, value in given.items() if value is not None}
        if method == "POST":
            return await self.http.post(AUTHORIZE, data=sent)
        return await self.http.get(AUTHORIZE, params=sent)

    async def code(self, **changes: Any) -> str:
        """A code, for a request that is granted."""
        answer = await self.authorize(**changes)
        assert answer.status_code == 303, answer.text
        given = parameters(answer.headers["location"])
        assert "code" in given, given
        return given["code"]

    async def post(self, path: str = "token", **form: Any) -> httpx.Response:
        """A form to an endpoint, authenticated as the client does it."""
        headers: dict[str, str] = {}
        match self.client_id:
            case "asymmetric" | "backend":
                form = {**assertion(self.client_id), **form}
            case "symmetric" | "introspector" | "ehr":
                headers = basic(self.client_id)
            case _:
                form = {"client_id": self.client_id, **form}
        sent = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"{ROOT}/auth/{path}", data=sent, headers=headers)

    async def redeem(self, code: str, **changes: Any) -> httpx.Response:
        """The token request for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.post(**form)

    async def refresh(self, token: str, **changes: Any) -> httpx.Response:
        """The token request for a refresh token."""
        return await self.post(**{"grant_type": "refresh_token", "refresh_token": token, **changes})

    async def tokens(self, **changes: Any) -> dict[str, Any]:
        """The token response for a request that is granted."""
        answer = await self.redeem(await self.code(**changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def sent_to(location: str) -> tuple[str, dict[str, list[str]]]:
    """Where a browser is sent, without the query, and the query."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qs(parts.query)
