"""Tokens that are bound to a key, and proofs of that key. RFC 9449."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.callers import BASE, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Prover:
    """A client that holds the key its token is bound to."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.count = 0

    def proof(self, token: str, header: dict[str, Any] | None = None, **given: Any) -> str:
        self.count += 1
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()
        claims = {
            **{"htm": "GET", "htu": f"{BASE}/Patient/b", "iat": int(time.time())},
            **{"jti": f"proof-{id(self)}-{self.count}", "ath": digest.rstrip("="), **given},
        }
        names = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)}
        names |= header or {}
        return jwt.encode(names, claims, self.key, algorithms=["ES256"])


PROOFS: dict[str, dict[str, Any]] = {
    "RFC 9449 4.3 another method": {"htm": "POST"},
    "RFC 9449 4.3 another URL": {"htu": f"{BASE}/Patient/a"},
    "RFC 9449 4.3 another host": {"htu": "http://evil.example.org/fhir/Patient/b"},
    "RFC 9449 11.1 too old": {"iat": 1_700_000_000},
    "RFC 9449 11.2 made for the future": {"iat": 4_000_000_000},
    "RFC 9449 4.3 no id": {"jti": ""},
    "RFC 9449 4.3 of another token": {"ath": "x"},
    "RFC 9449 4.3 without ath": {"ath": None},
}


@pytest.mark.parametrize("name", PROOFS)
async def test_a_proof_for_something_else_proves_nothing(name: str, world: Served) -> None:
    prover = Prover()
    token = await world.signed(cnf={"jkt": prover.key.thumbprint()})
    proof = prover.proof(token, **PROOFS[name])
    answer = await world.client.get(
        "Patient/b", headers={"Authorization": f"DPoP {token}", "DPoP": proof}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")


async def test_rfc_9449_11_1_a_proof_is_good_once(world: Served) -> None:
    prover = Prover()
    token = await world.signed(cnf={"jkt": prover.key.thumbprint()})
    headers = {"Authorization": f"DPoP {token}", "DPoP": prover.proof(token)}
    assert (await world.client.get("Patient/b", headers=headers)).status_code == 200
    assert (await world.client.get("Patient/b", headers=headers)).status_code == 401


async def test_rfc_9449_7_1_a_proof_of_another_key(world: Served) -> None:
    prover, thief = Prover(), Prover()
    token = await world.signed(cnf={"jkt": prover.key.thumbprint()})
    headers = {"Authorization": f"DPoP {token}", "DPoP": thief.proof(token)}
    assert (await world.client.get("Patient/b", headers=headers)).status_code == 401


async def test_rfc_9449_7_1_an_unbound_token_by_the_scheme_dpop(world: Served) -> None:
    token = await world.signed()
    headers = {"Authorization": f"DPoP {token}", "DPoP": Prover().proof(token)}
    assert (await world.client.get("Patient/b", headers=headers)).status_code == 401


async def test_rfc_9449_4_2_a_proof_with_its_private_key(world: Served) -> None:
    prover = Prover()
    token = await world.signed(cnf={"jkt": prover.key.thumbprint()})
    proof = prover.proof(token, {"jwk": prover.key.as_dict(private=True)})
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert (await world.client.get("Patient/b", headers=headers)).status_code == 401
