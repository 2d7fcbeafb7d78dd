"""Dynamic registration and its management: RFC 7591, RFC 7592."""

from __future__ import annotations

import pytest

from fhir_server.settings import Settings
from tests.api.smart import JWKS, ROOT, App, assert_error, basic, bearer

REGISTER = ROOT + "/auth/register"
INITIAL = "an initial access token of 32 characters and more"
APP = {
    "client_name": "Un carnet de santé",
    "redirect_uris": ["https://carnet.example.org/retour"],
    "token_endpoint_auth_method": "none",
    "scope": "patient/*.rs openid",
}


@pytest.fixture
def smart_settings(smart_settings):
    return {**smart_settings, "registration": "open"}


async def test_a_client_that_registers_itself_gets_tokens(http):
    answer = await http.post(REGISTER, json=APP)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    known = answer.json()
    assert known["client_name"] == "Un carnet de santé"
    assert known["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in known
    app = App(http, known["client_id"], APP["redirect_uris"][0], "patient/*.rs openid user/*.rs")
    assert set((await app.tokens())["scope"].split()) == {"patient/*.rs", "openid"}


async def test_a_secret_is_made_and_shown_once(http):
    metadata = {**APP, "token_endpoint_auth_method": "client_secret_basic"}
    known = (await http.post(REGISTER, json=metadata)).json()
    assert known["client_secret_expires_at"] == 0
    assert len(known["client_secret"]) >= 40
    headers = basic(known["client_id"], known["client_secret"])
    answer = await http.post(ROOT + "/auth/revoke", data={"token": "x"}, headers=headers)
    assert answer.status_code == 200
    managed = bearer(known["registration_access_token"])
    read = (await http.get(known["registration_client_uri"], headers=managed)).json()
    assert "client_secret" not in read


WRONG = [
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": ["http://carnet.example.org/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://carnet.example.org/#a"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://*.example.org/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://a@carnet.example.org/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["/callback"]}, "invalid_redirect_uri"),
    ({"redirect_uris": "https://carnet.example.org/"}, "invalid_client_metadata"),
    ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
    ({"grant_types": ["client_credentials"], "jwks": JWKS}, "invalid_client_metadata"),
    ({"response_types": ["token"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "client_secret_post"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    ({"jwks": {"keys": [{"kty": "oct", "k": "x"}]}}, "invalid_client_metadata"),
    ({"jwks": {"keys": [{**JWKS["keys"][0], "d": "x"}]}}, "invalid_client_metadata"),
    ({"jwks": {"keys": [{**JWKS["keys"][0], "crv": "P-256"}]}}, "invalid_client_metadata"),
    ({"jwks": JWKS, "jwks_uri": "https://carnet.example.org/jwks"}, "invalid_client_metadata"),
    ({"jwks_uri": "http://carnet.example.org/jwks"}, "invalid_client_metadata"),
    ({"jwks_uri": "file:///etc/passwd"}, "invalid_client_metadata"),
    ({"client_name": 7}, "invalid_client_metadata"),
]


@pytest.mark.parametrize(("changes", "error"), WRONG)
async def test_metadata_that_is_not_in_order_is_refused(http, changes, error):
    assert_error(await http.post(REGISTER, json={**APP, **changes}), error)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"7", b"null"])
async def test_a_body_that_is_no_object_is_refused(http, body):
    answer = await http.post(REGISTER, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_request", "invalid_client_metadata")


async def test_rights_are_not_had_by_asking_for_them(http):
    asked = {**APP, "introspection": True, "ehr": True, "client_id": "introspector", "scope": "x"}
    known = (await http.post(REGISTER, json=asked)).json()
    assert known["client_id"] != "introspector"
    assert "introspection" not in known
    assert "ehr" not in known


class TestManagement:
    @pytest.fixture
    async def known(self, http):
        return (await http.post(REGISTER, json=APP)).json()

    async def test_a_client_reads_changes_and_removes_itself(self, http, known):
        uri, headers = known["registration_client_uri"], bearer(known["registration_access_token"])
        read = (await http.get(uri, headers=headers)).json()
        assert read["client_name"] == APP["client_name"]
        wanted = {**APP, "client_id": known["client_id"], "client_name": "Autre"}
        changed = await http.put(uri, json=wanted, headers=headers)
        assert changed.json()["client_name"] == "Autre"
        assert (await http.delete(uri, headers=headers)).status_code == 204
        assert_error(await http.get(uri, headers=headers), "invalid_token", 401)

    async def test_removal_ends_its_tokens(self, http, known):
        app = App(http, known["client_id"], APP["redirect_uris"][0], "patient/*.rs openid")
        tokens = await app.tokens()
        headers = bearer(known["registration_access_token"])
        await http.delete(known["registration_client_uri"], headers=headers)
        answer = await http.get(ROOT + "/auth/userinfo", headers=bearer(tokens["access_token"]))
        assert answer.status_code == 401

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_nobody_else_manages_it(self, http, known, method):
        other = (await http.post(REGISTER, json=APP)).json()
        for headers in ({}, bearer("x"), bearer(other["registration_access_token"])):
            answer = await http.request(
                method, known["registration_client_uri"], json=APP, headers=headers
            )
            assert_error(answer, "invalid_token", 401)

    async def test_clients_of_the_file_are_managed_by_nobody(self, http):
        for headers in ({}, bearer(""), bearer("x")):
            answer = await http.get(f"{REGISTER}/public", headers=headers)
            assert_error(answer, "invalid_token", 401)

    async def test_the_method_and_the_id_stay(self, http, known):
        uri, headers = known["registration_client_uri"], bearer(known["registration_access_token"])
        for changes in (
            {"client_id": "other"},
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"grant_types": ["client_credentials"]},
        ):
            wanted = {**APP, "client_id": known["client_id"], **changes}
            answer = await http.put(uri, json=wanted, headers=headers)
            assert_error(answer, "invalid_client_metadata")


class TestOff:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "registration": "off"}

    async def test_nobody_registers(self, http):
        assert_error(await http.post(REGISTER, json=APP), "access_denied", 403)
        configuration = (await http.get(".well-known/smart-configuration")).json()
        assert "registration_endpoint" not in configuration


class TestToken:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "registration": "token", "registration_token": INITIAL}

    async def test_who_holds_the_token_registers(self, http):
        assert_error(await http.post(REGISTER, json=APP), "invalid_token", 401)
        assert_error(await http.post(REGISTER, json=APP, headers=bearer("x")), "invalid_token", 401)
        answer = await http.post(REGISTER, json=APP, headers=bearer(INITIAL))
        assert answer.status_code == 201


@pytest.mark.parametrize("token", ["", "short"])
def test_the_initial_token_must_be_long(token):
    with pytest.raises(ValueError, match="32 characters"):
        Settings(registration="token", registration_token=token)
    assert INITIAL not in repr(Settings(registration="token", registration_token=INITIAL))
