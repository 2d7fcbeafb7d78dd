"""Codes and what they are exchanged for: S-18 to S-24, S-27, S-43 to S-45 of the checklist."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.smart import (
    BASE,
    ROOT,
    TOKEN,
    App,
    assert_error,
    basic,
    bearer,
    claims_of,
    pkce,
)


@pytest.fixture
def app(http):
    return App(http)


async def is_active(http, token):
    """Whether the server still takes an access token, asked at its userinfo."""
    return (await http.get(ROOT + "/auth/userinfo", headers=bearer(token))).status_code == 200


async def test_s22_s24_the_token_response(app):
    answer = await app.redeem(await app.code())
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert isinstance(body["expires_in"], int)
    assert 0 < body["expires_in"] <= 3600
    assert set(body["scope"].split()) == set(app.scope.split())
    assert body["patient"] == "p1"
    assert body["need_patient_banner"] is True
    assert body["smart_style_url"].startswith(ROOT)
    assert body["refresh_token"]
    assert body["id_token"]


async def test_s23_no_answer_of_the_token_endpoint_is_stored(app):
    answer = await app.redeem(await app.code())
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert_error(await app.redeem("nothing"), "invalid_grant")


async def test_the_access_token_is_of_rfc_9068(app):
    header, claims = claims_of((await app.tokens())["access_token"])
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    assert claims["iss"] == ROOT
    assert claims["aud"] == BASE
    assert claims["client_id"] == "public"
    assert claims["patient"] == "p1"
    assert claims["fhirUser"] == "Practitioner/1"
    assert claims["exp"] - claims["iat"] <= 3600
    assert claims["jti"]
    assert claims["fam"]


async def test_s18_a_code_is_good_once_and_its_replay_ends_what_was_issued(app, http):
    code = await app.code()
    tokens = (await app.redeem(code)).json()
    assert await is_active(http, tokens["access_token"])
    assert_error(await app.redeem(code), "invalid_grant")
    assert not await is_active(http, tokens["access_token"])
    assert_error(await app.refresh(tokens["refresh_token"]), "invalid_grant")


async def test_s18_of_many_who_present_a_code_at_once_one_is_answered(app):
    code = await app.code()
    answers = await asyncio.gather(*(app.redeem(code) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 15


async def test_s18_a_code_is_bound_to_its_client(app, http):
    code = await app.code()
    thief = App(http, "stranger")
    thief.verifier = app.verifier
    assert_error(await thief.redeem(code), "invalid_grant")
    assert_error(await app.redeem(code), "invalid_grant")


async def test_s18_a_code_is_bound_to_its_redirect_uri(app):
    code = await app.code()
    other = "https://app.example.org/other?with=query"
    assert_error(await app.redeem(code, redirect_uri=other), "invalid_grant")


@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("another", "invalid_grant"),
        ("short", "invalid_grant"),
        ("challenge", "invalid_grant"),
    ],
)
async def test_s19_the_verifier_must_be_that_of_the_challenge(app, verifier, error):
    mine, challenge = pkce()
    code = await app.code(code_challenge=challenge)
    given = {"challenge": challenge, "another": pkce()[0]}.get(verifier, verifier)
    assert_error(await app.redeem(code, code_verifier=given), error)
    assert mine != given


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "grant_type"])
async def test_s27_a_missing_parameter_is_invalid_request(app, missing):
    form = {
        "grant_type": "authorization_code",
        "code": await app.code(),
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    assert_error(await app.post(**{**form, missing: None}), "invalid_request")


async def test_s27_an_unknown_grant_type_is_unsupported(app):
    assert_error(await app.post(grant_type="password"), "unsupported_grant_type")


async def test_s27_a_grant_type_that_is_not_the_clients(app):
    assert_error(
        await app.post(grant_type="client_credentials", scope="system/*.rs"), "unauthorized_client"
    )


@pytest.mark.parametrize("name", ["grant_type", "client_id", "code", "code_verifier"])
async def test_s27_a_repeated_parameter_is_refused(app, http, name):
    form = {
        "grant_type": "authorization_code",
        "client_id": "public",
        "redirect_uri": app.redirect_uri,
        "code": await app.code(),
    }
    form["code_verifier"] = app.verifier
    assert_error(await http.post(TOKEN, data={**form, name: [form[name]] * 2}), "invalid_request")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain", ""])
async def test_s19_the_token_endpoint_takes_forms_only(http, kind):
    answer = await http.post(TOKEN, content=b"grant_type=x", headers={"Content-Type": kind})
    assert_error(answer, "invalid_request")


async def test_s68_parameters_in_the_query_count_for_nothing(app, http):
    code = await app.code()
    query = {
        "grant_type": "authorization_code",
        "client_id": "public",
        "code": code,
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    assert_error(await http.post(TOKEN, params=query, data={}), "invalid_request")
    assert (await app.redeem(code)).status_code == 200


class TestAuthentication:
    @pytest.mark.parametrize("client", ["public", "symmetric", "asymmetric"])
    async def test_s20_s21_s51_each_kind_of_client_gets_its_tokens(self, http, client):
        app = App(http, client)
        assert (await app.tokens())["access_token"]

    @pytest.mark.parametrize("client", ["symmetric", "asymmetric"])
    async def test_s20_a_confidential_client_must_authenticate(self, http, client):
        app = App(http, client)
        form = {
            "grant_type": "authorization_code",
            "client_id": client,
            "code": await app.code(),
            "redirect_uri": app.redirect_uri,
            "code_verifier": app.verifier,
        }
        assert_error(await http.post(TOKEN, data=form), "invalid_client", 401)
        assert (await app.redeem(form["code"])).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            basic("symmetric", "wrong"),
            basic("nobody"),
            basic("public"),
            basic("asymmetric"),
            {"Authorization": "Basic"},
            {"Authorization": "Basic !!!"},
            {"Authorization": "Basic c3ltbWV0cmlj"},
        ],
    )
    async def test_s21_a_wrong_secret_is_401_with_a_challenge(self, http, headers):
        answer = await http.post(TOKEN, data={"grant_type": "refresh_token"}, headers=headers)
        assert_error(answer, "invalid_client", 401)
        assert answer.headers["www-authenticate"].startswith("Basic")

    async def test_s21_a_secret_in_the_body_is_refused(self, http):
        form = {"grant_type": "refresh_token", "client_id": "symmetric", "client_secret": "x"}
        assert_error(await http.post(TOKEN, data=form), "invalid_client", 401)

    async def test_two_methods_at_once_are_refused(self, http):
        form = {"grant_type": "refresh_token", "client_assertion": "x"}
        answer = await http.post(TOKEN, data=form, headers=basic("symmetric"))
        assert_error(answer, "invalid_request")

    async def test_an_id_in_the_body_must_be_that_of_the_header(self, http):
        form = {"grant_type": "refresh_token", "client_id": "public"}
        answer = await http.post(TOKEN, data=form, headers=basic("symmetric"))
        assert_error(answer, "invalid_request")


class TestIdentity:
    async def test_s44_the_id_token(self, app, http):
        tokens = await app.tokens(nonce="n-0S6_WzA2Mj")
        header, claims = claims_of(tokens["id_token"])
        assert header["alg"] == "RS256"
        assert claims["iss"] == ROOT
        assert claims["aud"] == "public"
        assert claims["nonce"] == "n-0S6_WzA2Mj"
        assert len(claims["sub"]) <= 255
        assert claims["sub"].isascii()
        assert claims["exp"] > claims["iat"]

    async def test_s45_the_fhir_user_is_an_absolute_url(self, app):
        _, claims = claims_of((await app.tokens())["id_token"])
        assert claims["fhirUser"] == f"{BASE}/Practitioner/1"

    async def test_s44_without_openid_there_is_no_id_token(self, app):
        assert "id_token" not in await app.tokens(scope="patient/*.rs")

    async def test_without_the_scope_the_fhir_user_stays_unknown(self, app):
        tokens = await app.tokens(scope="openid patient/*.rs")
        assert "fhirUser" not in claims_of(tokens["id_token"])[1]

    async def test_an_id_token_is_no_access_token(self, app, http):
        tokens = await app.tokens()
        assert await is_active(http, tokens["access_token"])
        assert not await is_active(http, tokens["id_token"])
        assert not await is_active(http, tokens["refresh_token"])

    async def test_userinfo_says_who_it_is(self, app, http):
        tokens = await app.tokens()
        answer = await http.get(ROOT + "/auth/userinfo", headers=bearer(tokens["access_token"]))
        subject = claims_of(tokens["id_token"])[1]["sub"]
        assert answer.json() == {"sub": subject, "fhirUser": f"{BASE}/Practitioner/1"}

    async def test_userinfo_without_openid_is_403(self, app, http):
        tokens = await app.tokens(scope="patient/*.rs")
        answer = await http.get(ROOT + "/auth/userinfo", headers=bearer(tokens["access_token"]))
        assert_error(answer, "insufficient_scope", 403)

    @pytest.mark.parametrize("headers", [{}, bearer(""), bearer("e30.e30.e30"), basic("symmetric")])
    async def test_userinfo_without_a_token_is_401(self, http, headers):
        answer = await http.get(ROOT + "/auth/userinfo", headers=headers)
        assert_error(answer, "invalid_token", 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


class TestShortCodes:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "code_seconds": 1, "token_seconds": 4}

    async def test_s18_an_old_code_is_refused(self, app):
        code = await app.code()
        await asyncio.sleep(1.1)
        assert_error(await app.redeem(code), "invalid_grant")

    async def test_s61_an_expired_token_is_refused(self, app, http):
        tokens = await app.tokens()
        assert await is_active(http, tokens["access_token"])
        await asyncio.sleep(5.1)
        assert not await is_active(http, tokens["access_token"])


@pytest.mark.parametrize(
    ("scope", "refreshable"),
    [
        ("openid offline_access patient/*.rs", True),
        ("openid online_access patient/*.rs", True),
        ("openid patient/*.rs", False),
    ],
)
async def test_s43_a_refresh_token_comes_with_its_scope_only(app, scope, refreshable):
    assert ("refresh_token" in await app.tokens(scope=scope)) is refreshable
