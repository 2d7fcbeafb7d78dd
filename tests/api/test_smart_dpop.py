"""Tokens that are bound to a key: RFC 9449."""

from __future__ import annotations

import json
import secrets
import time

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from tests.api.smart import ROOT, TOKEN, App, assert_error, assertion, basic, bearer, claims_of

KEY = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")


def proof(key=KEY, **claims):
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    body = {
        "htm": "POST",
        "htu": TOKEN,
        "iat": int(time.time()),
        "jti": secrets.token_urlsafe(8),
        **claims,
    }
    return jws.serialize_compact(header, json.dumps(body), key, algorithms=["ES256"])


async def ask(http, form, given):
    headers = {"DPoP": given} if given else {}
    return await http.post(TOKEN, data={"client_id": "public", **form}, headers=headers)


@pytest.fixture
async def granted(http):
    """An app, and the form with which it redeems a code."""
    app = App(http)
    code = await app.code()
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }


async def test_tokens_are_bound_to_the_key_of_the_proof(http, granted):
    answer = await ask(http, granted, proof())
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["token_type"] == "DPoP"
    assert claims_of(tokens["access_token"])[1]["cnf"] == {"jkt": KEY.thumbprint()}
    told = await http.post(
        ROOT + "/auth/introspect",
        data={"token": tokens["access_token"]},
        headers=basic("introspector"),
    )
    assert told.json()["cnf"] == {"jkt": KEY.thumbprint()}
    info = await http.get(ROOT + "/auth/userinfo", headers=bearer(tokens["access_token"]))
    assert_error(info, "invalid_token", 401)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert_error(await ask(http, refresh, None), "invalid_dpop_proof")
    assert_error(await ask(http, refresh, proof(OTHER)), "invalid_dpop_proof")
    again = await ask(http, refresh, proof())
    assert again.json()["token_type"] == "DPoP"


@pytest.mark.parametrize(
    "wrong",
    [
        {"htm": "GET"},
        {"htu": ROOT + "/auth/revoke"},
        {"iat": 1},
        {"iat": 9_999_999_999},
        {"jti": None},
    ],
)
async def test_a_proof_that_is_not_in_order_is_refused(http, granted, wrong):
    assert_error(await ask(http, granted, proof(**wrong)), "invalid_dpop_proof")


async def test_a_proof_is_good_once(http, granted):
    used = proof()
    assert (await ask(http, granted, used)).status_code == 200
    code = await App(http).code()
    assert_error(await ask(http, {**granted, "code": code}, used), "invalid_dpop_proof")


async def test_a_code_is_bound_to_the_key_that_the_request_names(http):
    for key, status in ((KEY, 200), (OTHER, 400), (None, 400)):
        app = App(http)
        form = {
            "grant_type": "authorization_code",
            "code": await app.code(dpop_jkt=KEY.thumbprint()),
            "redirect_uri": app.redirect_uri,
            "code_verifier": app.verifier,
        }
        answer = await ask(http, form, proof(key) if key else None)
        assert answer.status_code == status


async def test_a_backend_service_binds_its_token(http):
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Patient.rs",
        "client_id": "backend",
        **assertion("backend"),
    }
    tokens = (await ask(http, form, proof())).json()
    assert tokens["token_type"] == "DPoP"
    assert claims_of(tokens["access_token"])[1]["cnf"] == {"jkt": KEY.thumbprint()}
