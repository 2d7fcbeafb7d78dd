"""Introspection and revocation: S-62 to S-64 of the checklist, and what is no longer good."""

from __future__ import annotations

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.settings import Settings
from tests.api.smart import BASE, ROOT, App, assert_error, basic, bearer, claims_of

INACTIVE = {"active": False}


@pytest.fixture
def app(http):
    return App(http)


async def introspect(http, token, headers=None):
    headers = headers if headers is not None else basic("introspector")
    return await http.post(f"{ROOT}/auth/introspect", data={"token": token}, headers=headers)


async def test_s62_introspection_tells_what_the_token_response_told(app, http):
    tokens = await app.tokens()
    answer = await introspect(http, tokens["access_token"])
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["active"] is True
    assert told["scope"] == tokens["scope"]
    assert told["client_id"] == "public"
    assert told["exp"] == claims_of(tokens["access_token"])[1]["exp"]
    for name in ("patient", "need_patient_banner", "smart_style_url"):
        assert told[name] == tokens[name]
    identity = claims_of(tokens["id_token"])[1]
    assert (told["iss"], told["sub"]) == (identity["iss"], identity["sub"])
    assert told["fhirUser"] == identity["fhirUser"]


async def test_s62_a_backend_token_has_its_client_and_time(http):
    token = (
        await App(http, "backend").post(grant_type="client_credentials", scope="system/*.rs")
    ).json()["access_token"]
    told = (await introspect(http, token)).json()
    assert told["active"] is True
    assert told["client_id"] == told["sub"] == "backend"
    assert told["exp"] > 0


async def test_s63_a_refresh_token_is_active_until_it_is_used(app, http):
    token = (await app.tokens())["refresh_token"]
    assert (await introspect(http, token)).json()["active"] is True
    await app.refresh(token)
    assert (await introspect(http, token)).json() == INACTIVE


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "é" * 10, "x" * 30_000])
async def test_s63_what_is_no_token_is_inactive_and_nothing_else(http, token):
    answer = await introspect(http, token)
    assert answer.status_code == 200
    assert answer.json() == INACTIVE


async def test_s63_a_bearer_token_of_a_client_with_the_right_opens_it(app, http):
    mine = (await App(http, "introspector").tokens())["access_token"]
    others = (await app.tokens())["access_token"]
    assert (await introspect(http, others, bearer(mine))).json()["active"] is True
    assert_error(await introspect(http, mine, bearer(others)), "insufficient_scope", 403)


async def test_introspection_is_not_for_everybody(app, http):
    token = (await app.tokens())["access_token"]
    assert_error(await introspect(http, token, {}), "invalid_client", 401)
    assert_error(await app.post("introspect", token=token), "invalid_client", 401)
    # A client without the right is told of its own tokens only.
    assert (await introspect(http, token, basic("symmetric"))).json() == INACTIVE
    mine = (await App(http, "symmetric").tokens())["access_token"]
    assert (await introspect(http, mine, basic("symmetric"))).json()["active"] is True


async def test_introspection_without_a_token_is_invalid(http):
    assert_error(
        await http.post(f"{ROOT}/auth/introspect", data={}, headers=basic("introspector")),
        "invalid_request",
    )


async def test_s64_a_revoked_access_token_ends_alone(app, http):
    tokens = await app.tokens()
    answer = await app.post("revoke", token=tokens["access_token"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert (await introspect(http, tokens["access_token"])).json() == INACTIVE
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_s64_a_revoked_refresh_token_ends_its_access_tokens(app, http):
    first = await app.tokens()
    second = (await app.refresh(first["refresh_token"])).json()
    await app.post("revoke", token=second["refresh_token"], token_type_hint="refresh_token")
    for tokens in (first, second):
        assert (await introspect(http, tokens["access_token"])).json() == INACTIVE
    assert_error(await app.refresh(second["refresh_token"]), "invalid_grant")


@pytest.mark.parametrize("token", ["unknown", "a.b.c"])
async def test_s64_revoking_what_never_was_is_200(app, token):
    assert (await app.post("revoke", token=token)).status_code == 200


async def test_s64_another_client_revokes_nothing(app, http):
    tokens = await app.tokens()
    stranger = App(http, "stranger")
    for name in ("access_token", "refresh_token"):
        assert (await stranger.post("revoke", token=tokens[name])).status_code == 200
    assert (await introspect(http, tokens["access_token"])).json()["active"] is True
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_revocation_needs_a_client_and_a_token(app, http):
    assert_error(await http.post(f"{ROOT}/auth/revoke", data={"token": "x"}), "invalid_client", 401)
    assert_error(await app.post("revoke"), "invalid_request")


async def test_s64_every_process_sees_a_revocation_at_once(app, http, smart_settings):
    tokens = await app.tokens()
    other = create_app(Settings(**smart_settings))
    async with other.opened():
        transport = httpx.ASGITransport(other)
        async with httpx.AsyncClient(transport=transport, base_url=BASE + "/") as neighbour:
            info, headers = ROOT + "/auth/userinfo", bearer(tokens["access_token"])
            assert (await neighbour.get(info, headers=headers)).status_code == 200
            await app.post("revoke", token=tokens["access_token"])
            assert (await neighbour.get(info, headers=headers)).status_code == 401
            assert (await App(neighbour).refresh(tokens["refresh_token"])).status_code == 200
