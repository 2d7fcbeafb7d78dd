"""Tokens of an issuer that the operator trusts: good ones open, all others do not.

The issuer's keys are in a file; what a token says of itself never brings in another key.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.settings import TrustedIssuer
from tests.callers import BASE, Served, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

ISSUER = "https://identity.example.org/realms/care"
KEY = ECKey.generate_key("P-256", auto_kid=True)
RSA = RSAKey.generate_key(2048, auto_kid=True)
OTHER = ECKey.generate_key("P-256", {"kid": KEY.kid})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server that trusts one issuer, which signs with ES256 alone."""
    file: Path = tmp_path_factory.mktemp("keys") / "jwks.json"
    keys = [KEY.as_dict(private=False), RSA.as_dict(private=False)]
    file.write_text(json.dumps({"keys": keys}))
    trusted = TrustedIssuer(issuer=ISSUER, jwks=str(file), algorithms=("ES256",))
    async with served(mongodb, "test_attack_trusted", trusted_issuers=(trusted,)) as running:
        await running.put({"resourceType": "Patient", "id": "b"})
        yield running


def token(header: dict[str, Any] | None = None, key: Any = KEY, **given: Any) -> str:
    now = int(time.time())
    claims = {
        **{"iss": ISSUER, "aud": ["account", BASE], "sub": "backend", "client_id": "backend"},
        **{"scope": "system/*.rs", "iat": now, "exp": now + 300, "jti": "1", **given},
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    names = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
    return jwt.encode(names, claims, key, algorithms=[names["alg"]])


async def test_a_good_token_opens(world: Served) -> None:
    assert (await world.ask("GET", "Patient/b", token())).status_code == 200


BAD: dict[str, dict[str, Any]] = {
    "RFC 9068 4 of another issuer": {"iss": "https://evil.example.org"},
    "mix-up: our own issuer's name with its key": {"iss": "http://127.0.0.1:8080"},
    "RFC 9068 4 for another server": {"aud": "https://other.example.org/fhir"},
    "RFC 9068 4 for nobody": {"aud": None},
    "RFC 9068 4 expired": {"exp": 1_700_000_000},
    "RFC 9068 4 for ever": {"exp": None},
    "exp that is text": {"exp": "never"},
    "exp that is true": {"exp": True},
    "RFC 7519 4.1.5 not yet valid": {"nbf": 4_000_000_000},
    "RFC 7519 4.1.6 made in the future": {"iat": 4_000_000_000},
    "OIDC Core 2 an id token by its nonce": {"nonce": "n"},
    "OIDC Core 3.1.3.6 an id token by its at_hash": {"at_hash": "n"},
    "RFC 7800 cnf that binds to nothing": {"cnf": {}},
    "RFC 7800 cnf of another kind": {"cnf": {"x5t#S256": "x"}},
    "no client": {"client_id": None},
    "a person of another server": {"fhirUser": "https://other.example.org/fhir/Practitioner/1"},
}
HEADERS: dict[str, dict[str, Any]] = {
    "RFC 9068 4 typ JWT": {"typ": "JWT"},
    "RFC 8725 3.11 typ of an id token": {"typ": "id+jwt"},
    "unknown key": {"kid": "other"},
}


@pytest.mark.parametrize("name", [*BAD, *HEADERS])
async def test_any_other_token_does_not(name: str, world: Served) -> None:
    made = token(HEADERS.get(name), **BAD.get(name, {}))
    answer = await world.ask("GET", "Patient/b", made)
    assert answer.status_code == 401, answer.text


async def test_jwks_swap_another_key_of_the_same_kid(world: Served) -> None:
    assert (await world.ask("GET", "Patient/b", token(key=OTHER))).status_code == 401


async def test_an_algorithm_that_was_not_agreed_on(world: Served) -> None:
    made = token({"alg": "RS256"}, key=RSA)
    assert (await world.ask("GET", "Patient/b", made)).status_code == 401


async def test_a_person_of_that_issuer_has_what_the_scopes_and_the_person_allow(
    world: Served,
) -> None:
    person = {"sub": "u", "fhirUser": f"{BASE}/Patient/a", "patient": "a"}
    made = token(scope="patient/*.rs user/*.rs system/*.rs", **person)
    assert (await world.ask("GET", "Patient/b", made)).status_code == 404
