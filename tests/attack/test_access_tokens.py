"""Attacks with access tokens that nobody handed out, or not for this. Each is answered 401.

RFC 9700 (OAuth security), RFC 8725 (JWT), RFC 9068 (access tokens), RFC 9449 (DPoP), RFC 6750.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
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
