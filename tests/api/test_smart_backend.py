"""Backend services and private_key_jwt: S-51 to S-60 of the checklist."""

from __future__ import annotations

import asyncio
import time

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.api.smart import (
    BASE,
    ES384,
    ROOT,
    RS384,
    TOKEN,
    App,
    assert_error,
    assertion,
    basic,
    claims_of,
    clients_file,
)

SCOPE = "system/Patient.rs"


async def ask(http, form=None, **more):
    return await http.post(
        TOKEN,
        data={
            "grant_type": "client_credentials",
            "scope": SCOPE,
            **(form if form is not None else assertion("backend")),
            **more,
        },
    )


@pytest.mark.parametrize("key", [ES384, RS384], ids=["ES384", "RS384"])
async def test_s51_s59_a_backend_service_gets_a_short_token(http, key):
    answer = await ask(http, assertion("backend", key))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert 0 < body["expires_in"] <= 300
    assert body["scope"] == SCOPE
    assert "refresh_token" not in body
    _, claims = claims_of(body["access_token"])
    assert claims["sub"] == claims["client_id"] == "backend"
    assert claims["aud"] == BASE
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        ("system/Patient.rs system/Observation.rs", {"system/Patient.rs", "system/Observation.rs"}),
        ("system/Patient.read", {"system/Patient.read"}),
        ("system/*.rs", {"system/Patient.rs", "system/Observation.rs"}),
        ("system/Patient.cruds", {"system/Patient.rs"}),
        ("system/Patient.r system/Unknown.rs", {"system/Patient.r"}),
        ("system/Patient.r user/Patient.rs openid offline_access", {"system/Patient.r"}),
    ],
)
async def test_s59_what_is_granted_is_what_is_asked_and_authorised(http, wanted, granted):
    answer = await ask(http, scope=wanted)
    assert set(answer.json()["scope"].split()) == granted


@pytest.mark.parametrize(
    "wanted",
    [
        *("", "system/Unknown.rs", "system/Patient.unknown", "system/Encounter.rs", "openid"),
        *("system/Patient.c", "system/Patient.write", "patient/Patient.rs", "user/Patient.rs"),
        *("nonsense", "system/Patient.sr", "system/Patient.rr", "system/patient.rs"),
    ],
)
async def test_s59_s60_where_nothing_is_left_it_is_invalid_scope(http, wanted):
    assert_error(await ask(http, scope=wanted), "invalid_scope")


async def test_s60_the_grant_type_is_needed_once(http):
    form = assertion("backend")
    assert_error(await http.post(TOKEN, data={"scope": SCOPE, **form}), "invalid_request")
    twice = {"grant_type": ["client_credentials"] * 2, "scope": SCOPE, **form}
    assert_error(await http.post(TOKEN, data=twice), "invalid_request")
    assert_error(await ask(http, form, grant_type="implicit"), "unsupported_grant_type")


async def test_s21_a_secret_is_not_for_backend_services(http):
    form = {"grant_type": "client_credentials", "scope": SCOPE}
    answer = await http.post(TOKEN, data=form, headers=basic("symmetric"))
    assert_error(answer, "unauthorized_client")


FORGED = ECKey.generate_key("P-384", {"kid": "es"})
SMALL = ECKey.generate_key("P-256", {"kid": "es"})
OTHER = ECKey.generate_key("P-384", {"kid": "unknown"})
SHARED = OctKey.import_key(ES384.as_dict(private=False)["x"], {"kid": "es"})
RS256 = RSAKey.import_key({n: v for n, v in RS384.as_dict(private=True).items() if n != "alg"})

WRONG = {
    "another key under the same kid": lambda: assertion("backend", FORGED),
    "an unknown kid": lambda: assertion("backend", OTHER),
    "no kid": lambda: assertion("backend", header={"kid": None}),
    "the kid of another kty": lambda: assertion("backend", RS384, header={"kid": "es"}),
    "HS384 with the public key": lambda: assertion("backend", SHARED, header={"alg": "HS384"}),
    "ES256": lambda: assertion("backend", SMALL, header={"alg": "ES256"}),
    "RS256": lambda: assertion("backend", RS256, header={"alg": "RS256"}),
    "no typ": lambda: assertion("backend", header={"typ": None}),
    "typ at+jwt": lambda: assertion("backend", header={"typ": "at+jwt"}),
    "a jku that is not registered": lambda: assertion(
        "backend", header={"jku": "https://evil.example"}
    ),
    "an embedded key": lambda: assertion(
        "backend", FORGED, header={"jwk": FORGED.as_dict(private=False)}
    ),
    "iss of another": lambda: assertion("backend", iss="asymmetric"),
    "sub of another": lambda: assertion("backend", sub="asymmetric"),
    "an unknown client": lambda: assertion("nobody"),
    "a public client": lambda: assertion("public"),
    "no iss": lambda: assertion("backend", iss=None),
    "no sub": lambda: assertion("backend", sub=None),
    "no aud": lambda: assertion("backend", aud=None),
    "aud of the base": lambda: assertion("backend", aud=BASE),
    "aud of the issuer": lambda: assertion("backend", aud=ROOT),
    "aud with a slash": lambda: assertion("backend", aud=TOKEN + "/"),
    "aud of two": lambda: assertion("backend", aud=[TOKEN, "https://other.example.org"]),
    "no exp": lambda: assertion("backend", exp=None),
    "exp past": lambda: assertion("backend", exp=int(time.time()) - 60),
    "exp in ten minutes": lambda: assertion("backend", exp=int(time.time()) + 600),
    "exp as text": lambda: assertion("backend", exp=str(int(time.time()) + 60)),
    "exp as a boolean": lambda: assertion("backend", exp=True),
    "iat ahead": lambda: assertion("backend", iat=int(time.time()) + 600),
    "nbf ahead": lambda: assertion("backend", nbf=int(time.time()) + 600),
    "no jti": lambda: assertion("backend", jti=None),
    "jti as a number": lambda: assertion("backend", jti=7),
    "jti of nothing": lambda: assertion("backend", jti=""),
    "no assertion": lambda: {
        "client_assertion_type": assertion("backend")["client_assertion_type"]
    },
    "another type": lambda: {**assertion("backend"), "client_assertion_type": "urn:x"},
    "no type": lambda: {"client_assertion": assertion("backend")["client_assertion"]},
    "no JWT": lambda: {**assertion("backend"), "client_assertion": "a.b.c"},
    "claims that are a list": lambda: {**assertion("backend"), "client_assertion": "e30.W10.e30"},
    "alg none": lambda: {
        **assertion("backend"),
        "client_assertion": "eyJhbGciOiJub25lIn0."
        + assertion("backend")["client_assertion"].split(".")[1]
        + ".",
    },
    "an id in the form that is another": lambda: {
        **assertion("backend"),
        "client_id": "asymmetric",
    },
    "a form without any client": lambda: {},
}


@pytest.mark.parametrize("name", WRONG)
async def test_s51_s52_s54_s55_s58_what_is_not_in_order_is_invalid_client(http, name):
    assert_error(await ask(http, WRONG[name]()), "invalid_client", 401)


async def test_an_audience_of_one_in_a_list_is_taken(http):
    assert (await ask(http, assertion("backend", aud=[TOKEN]))).status_code == 200


async def test_s53_an_assertion_is_good_once(http):
    form = assertion("backend")
    assert (await ask(http, form)).status_code == 200
    assert_error(await ask(http, form), "invalid_client", 401)


async def test_s53_of_many_who_present_an_assertion_at_once_one_is_answered(http):
    form = assertion("backend")
    answers = await asyncio.gather(*(ask(http, form) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15


async def test_s53_the_ids_of_one_client_are_not_those_of_another(http):
    assert (await ask(http, assertion("backend", jti="one"))).status_code == 200
    app = App(http, "asymmetric")
    code = await app.code()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    sent = {**form, **assertion("asymmetric", jti="one")}
    assert (await http.post(TOKEN, data=sent)).status_code == 200


async def test_a_wrong_signature_uses_no_jti_up(http):
    assert_error(await ask(http, assertion("backend", FORGED, jti="j")), "invalid_client", 401)
    assert (await ask(http, assertion("backend", jti="j"))).status_code == 200


class TestTwins:
    """S-55: keys of one id."""

    @pytest.fixture
    def smart_settings(self, smart_settings, tmp_path):
        other = ECKey.generate_key("P-384", {"kid": "es"}).as_dict(private=False)
        twins = {
            "client_id": "twins",
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["client_credentials"],
            "scope": "system/*.rs",
            "jwks": {"keys": [ES384.as_dict(private=False), other, RS384.as_dict(private=False)]},
        }
        return {**smart_settings, "clients_file": clients_file(tmp_path, twins)}

    async def test_s55_two_keys_of_one_id_are_refused(self, http):
        assert_error(await ask(http, assertion("twins")), "invalid_client", 401)
        assert (await ask(http, assertion("twins", RS384))).status_code == 200
