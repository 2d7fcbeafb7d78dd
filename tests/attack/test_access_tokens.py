"""Attacks with access tokens that nobody handed out, or not for this. Each is answered 401.

RFC 9700 (OAuth security), RFC 8725 (JWT), RFC 9068 (access tokens), RFC 9449 (DPoP), RFC 6750.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.callers import BASE, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Attack = Callable[[Served], Awaitable[str]]
ATTACKS: dict[str, Attack] = {}


def attack(name: str) -> Callable[[Attack], Attack]:
    """An attack by its RFC's section, CVE or pitfall; it gives the token to try."""

    def keep(function: Attack) -> Attack:
        assert name not in ATTACKS
        ATTACKS[name] = function
        return function

    return keep


def _encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _swapped(token: str, part: int, value: str) -> str:
    parts = token.split(".")
    parts[part] = value
    return ".".join(parts)


@attack("CVE-2015-9235 alg none")
async def _(s: Served) -> str:
    return s.unsigned("none")


@attack("RFC 8725 2.1 alg None in another case")
async def _(s: Served) -> str:
    return s.unsigned("nOnE")


@attack("RFC 8725 2.1 no alg at all")
async def _(s: Served) -> str:
    return f"{_encoded({'typ': 'at+jwt'})}.{_encoded(s.claims())}."


@attack("CVE-2022-21449 the empty signature of ES256")
async def _(s: Served) -> str:
    return _swapped(await s.signed(), 2, _encoded(b"\x00" * 64))


@attack("RFC 8725 2.1 signature cut away")
async def _(s: Served) -> str:
    return _swapped(await s.signed(), 2, "")


@attack("RFC 8725 3.1 claims of another token under a good signature")
async def _(s: Served) -> str:
    return _swapped(await s.signed(), 1, _encoded(s.claims(scope="system/*.cruds")))


@attack("RFC 8725 3.1 header of another token under a good signature")
async def _(s: Served) -> str:
    good = await s.signed()
    header = json.loads(base64.urlsafe_b64decode(good.split(".")[0] + "=="))
    return _swapped(good, 0, _encoded({**header, "x": 1}))


@attack("CVE-2016-10555 public key as an HMAC secret (HS/RS confusion)")
async def _(s: Served) -> str:
    published = await s.smart.keys.published()
    key = ECKey.import_key(published["keys"][0]) if published["keys"][0]["kty"] == "EC" else None
    pem = (key or RSAKey.import_key(published["keys"][0])).as_pem(private=False)
    return s.hmac(pem)


@attack("CVE-2016-10555 the JWK's text as an HMAC secret")
async def _(s: Served) -> str:
    published = await s.smart.keys.published()
    return s.hmac(json.dumps(published["keys"][0]).encode())


@attack("CVE-2018-0114 key brought along in jwk")
async def _(s: Served) -> str:
    return s.forged({"jwk": s.foreign.as_dict(private=False)})


@attack("RFC 8725 2.10 key brought along by jku")
async def _(s: Served) -> str:
    return s.forged({"jku": "https://evil.example.org/jwks.json"})


@attack("RFC 8725 2.10 key brought along by x5u")
async def _(s: Served) -> str:
    return s.forged({"x5u": "https://evil.example.org/cert.pem"})


@attack("RFC 8725 2.10 key brought along in x5c")
async def _(s: Served) -> str:
    return s.forged({"x5c": ["MIIB"]})


@attack("kid of our key, signature of another")
async def _(s: Served) -> str:
    published = await s.smart.keys.published()
    return s.forged({"kid": published["keys"][0]["kid"]})


@attack("kid that is a path (traversal)")
async def _(s: Served) -> str:
    return s.forged({"kid": "../../../../dev/null"})


@attack("kid that is an operator (injection)")
async def _(s: Served) -> str:
    return s.forged({"kid": "' OR '1'='1"})


@attack("kid that is no text")
async def _(s: Served) -> str:
    return f"{_encoded({'alg': 'ES256', 'typ': 'at+jwt', 'kid': {'$ne': ''}})}.e30.AA"


@attack("RFC 7515 4.1.11 an extension that must be understood")
async def _(s: Served) -> str:
    good = await s.signed()
    header = json.loads(base64.urlsafe_b64decode(good.split(".")[0] + "=="))
    return _swapped(good, 0, _encoded({**header, "crit": ["exp"], "exp": 1}))


@attack("RFC 9068 2.1 typ JWT: any JWT of ours")
async def _(s: Served) -> str:
    return await s.signed({"typ": "JWT"})


@attack("RFC 8725 2.8 an id token as access token")
async def _(s: Served) -> str:
    return await s.id_token()


@attack("RFC 8725 2.8 an id token that says it is an access token")
async def _(s: Served) -> str:
    token = await s.id_token()
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    return _swapped(token, 0, _encoded({**header, "typ": "at+jwt"}))


@attack("RFC 8725 2.8 a DPoP proof as access token")
async def _(s: Served) -> str:
    return await s.signed({"typ": "dpop+jwt"})


@attack("RFC 9700 2.3 aud of another server")
async def _(s: Served) -> str:
    return await s.signed(aud="https://other.example.org/fhir")


@attack("RFC 9700 2.3 aud that begins like ours")
async def _(s: Served) -> str:
    return await s.signed(aud=f"{BASE}.evil.example.org")


@attack("RFC 9700 2.3 aud that is the issuer and not the base")
async def _(s: Served) -> str:
    return await s.signed(aud="http://127.0.0.1:8080")


@attack("RFC 9068 4 no aud")
async def _(s: Served) -> str:
    return await s.signed(aud=None)


@attack("RFC 9068 4 iss of somebody else, our key")
async def _(s: Served) -> str:
    return await s.signed(iss="https://evil.example.org")


@attack("RFC 9068 4 no iss")
async def _(s: Served) -> str:
    return await s.signed(iss=None)


@attack("RFC 9068 4 expired")
async def _(s: Served) -> str:
    return await s.signed(exp=int(time.time()) - 1)


@attack("RFC 9068 4 fhirUser of another server")
async def _(s: Served) -> str:
    return await s.signed(fhirUser="https://evil.example.org/fhir/Practitioner/p")


@attack("patient that is no id (injection)")
async def _(s: Served) -> str:
    return await s.signed(patient="a/../b")


@attack("patient that is an object (injection)")
async def _(s: Served) -> str:
    return await s.signed(patient={"$ne": ""})


@attack("sub that is empty")
async def _(s: Served) -> str:
    return await s.signed(sub="")


@attack("huge claims (denial of service)")
async def _(s: Served) -> str:
    return await s.signed(scope=" ".join(f"user/Patient.rs?_id={n}" for n in range(5000)))


@attack("six hundred scopes (denial of service)")
async def _(s: Served) -> str:
    return await s.signed(scope=" ".join(f"u{n}" for n in range(600)))


@attack("RFC 7516 an encrypted token")
async def _(s: Served) -> str:
    return ".".join([_encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), "a", "b", "c", "d"])


@attack("JSON that nests without end")
async def _(s: Served) -> str:
    return f"{_encoded(b'[' * 4000)}.e30.AA"


@attack("RFC 9700 4.14 a refresh token as access token")
async def _(s: Served) -> str:
    family = s.family(scope="user/*.cruds", fhir_user="Practitioner/p")
    await s.smart.tokens.add_family(family)
    await s.smart.tokens.add_refresh("q" * 43, family)
    return "q" * 43


@attack("RFC 7009 a revoked token")
async def _(s: Served) -> str:
    await s.smart.tokens.revoke_token("gone", s.smart.now())
    return await s.signed(jti="gone")


@attack("RFC 9449 a bound token as a bearer token")
async def _(s: Served) -> str:
    return await s.signed(cnf={"jkt": "x" * 43})


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_token_opens_nothing(name: str, world: Served) -> None:
    answer = await world.ask("GET", "Patient/b", await ATTACKS[name](world))
    assert answer.status_code == 401, answer.text
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="invalid_token"' in challenge
    assert challenge.startswith("DPoP " if "9449 a bound" in name else "Bearer ")
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "topsecret" not in answer.text


async def test_the_same_claims_in_a_good_token_do_open(world: Served) -> None:
    """Without this, all of the above could be refused for another reason."""
    answer = await world.ask("GET", "Patient/b", await world.signed())
    assert answer.status_code == 200, answer.text


async def test_rfc_6750_3_1_without_a_token_no_error_is_told(world: Served) -> None:
    answer = await world.ask("GET", "Patient/b")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fhir"'


async def test_rfc_9700_4_3_2_a_token_in_the_url_is_no_token_s_68(world: Served) -> None:
    answer = await world.ask("GET", f"Patient/b?access_token={await world.signed()}")
    assert answer.status_code == 401


async def test_rfc_6750_2_2_a_token_in_a_form_is_no_token(world: Served) -> None:
    answer = await world.client.post("Patient/_search", data={"access_token": await world.signed()})
    assert answer.status_code == 401


async def test_two_authorization_headers_are_refused(world: Served) -> None:
    token = await world.signed()
    answer = await world.client.get(
        "Patient/b",
        headers=[("Authorization", "Bearer x"), ("Authorization", f"Bearer {token}")],
    )
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "\x01"])
async def test_what_is_no_bearer_token_is_none(value: str, world: Served) -> None:
    answer = await world.client.get("Patient/b", headers={"Authorization": value})
    assert answer.status_code == 401


async def test_a_token_that_worked_stops_at_once_when_revoked_s_64(world: Served) -> None:
    token = await world.signed(jti="soon", fam="soon-family")
    assert (await world.ask("GET", "Patient/b", token)).status_code == 200
    await world.smart.tokens.revocations.add(["soon-family"], time.time() + 600)
    for method, path in (("GET", "Patient/b"), ("GET", "Patient/none"), ("DELETE", "Patient/z")):
        answer = await world.ask(method, path, token)
        assert answer.status_code == 401
        assert "topsecret" not in answer.text


async def test_a_token_that_worked_stops_when_it_expires(world: Served) -> None:
    now = world.smart.now()
    token = await world.signed(exp=int(now) + 2)
    assert (await world.ask("GET", "Patient/b", token)).status_code == 200
    while time.time() < int(now) + 2:
        time.sleep(0.05)  # noqa: ASYNC251  nothing else runs here
    assert (await world.ask("GET", "Patient/b", token)).status_code == 401


async def test_insufficient_scope_is_403_and_says_so_s_61(world: Served) -> None:
    answer = await world.ask("GET", "Patient/b", await world.signed(scope="user/Goal.rs"))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert answer.json()["issue"][0]["code"] == "forbidden"


class Prover:
    """A client that holds the key its token is bound to."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.count = 0

    def proof(self, token: str, header: dict[str, Any] | None = None, **given: Any) -> str:
        self.count += 1
        digest = hashlib.sha256(token.encode()).digest()
        claims = {
            **{"htm": "GET", "htu": f"{BASE}/Patient/b", "iat": int(time.time())},
            **{"jti": f"proof-{id(self)}-{self.count}", "ath": _encoded(digest), **given},
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
