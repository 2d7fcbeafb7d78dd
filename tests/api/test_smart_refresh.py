"""Refresh: S-48 to S-50 of the checklist."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.smart import ROOT, App, assert_error, bearer


@pytest.fixture
def app(http):
    return App(http)


async def test_s48_s49_a_refresh_gives_what_was_granted(app):
    first = await app.tokens()
    answer = await app.refresh(first["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] > 0
    assert body["scope"] == first["scope"]
    assert body["patient"] == first["patient"]
    assert body["need_patient_banner"] is True
    assert body["access_token"] != first["access_token"]
    assert body["refresh_token"] != first["refresh_token"]


@pytest.mark.parametrize("client", ["public", "symmetric", "asymmetric"])
async def test_s48_every_kind_of_client_refreshes_again_and_again(http, client):
    app = App(http, client)
    token = (await app.tokens())["refresh_token"]
    for _ in range(3):
        answer = await app.refresh(token)
        assert answer.status_code == 200, answer.text
        token = answer.json()["refresh_token"]


async def test_s48_a_foreign_client_is_refused_and_the_token_stays_good(app, http):
    token = (await app.tokens())["refresh_token"]
    assert_error(await App(http, "stranger").refresh(token), "invalid_grant")
    assert (await app.refresh(token)).status_code == 200


async def test_s48_a_confidential_client_must_authenticate(http):
    token = (await App(http, "symmetric").tokens())["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "symmetric"}
    assert_error(await http.post(ROOT + "/auth/token", data=form), "invalid_client", 401)


@pytest.mark.parametrize("wanted", ["patient/Observation.rs", "patient/*.r openid", "openid"])
async def test_s48_a_narrower_scope_is_honoured_and_does_not_stay(app, wanted):
    first = await app.tokens()
    second = (await app.refresh(first["refresh_token"], scope=wanted)).json()
    assert set(second["scope"].split()) == set(wanted.split())
    third = (await app.refresh(second["refresh_token"])).json()
    assert third["scope"] == first["scope"]


@pytest.mark.parametrize(
    "wanted",
    [
        "patient/*.cruds",
        "user/*.rs",
        "patient/*.rs user/Patient.r",
        "patient/*.rs launch/encounter",
        "patient/*.rs nonsense",
        "system/*.rs",
    ],
)
async def test_s48_a_wider_scope_is_refused_and_the_token_stays_good(app, wanted):
    token = (await app.tokens())["refresh_token"]
    assert_error(await app.refresh(token, scope=wanted), "invalid_scope")
    assert (await app.refresh(token)).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "é", "x" * 5000])
async def test_an_unknown_refresh_token_is_refused(app, token):
    assert_error(await app.refresh(token), "invalid_grant")


async def test_an_access_token_refreshes_nothing(app):
    assert_error(await app.refresh((await app.tokens())["access_token"]), "invalid_grant")


class TestReuse:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "refresh_grace_seconds": 0}

    async def test_s50_a_second_use_ends_the_family(self, app, http):
        first = await app.tokens()
        second = (await app.refresh(first["refresh_token"])).json()
        await asyncio.sleep(0.01)
        assert_error(await app.refresh(first["refresh_token"]), "invalid_grant")
        assert_error(await app.refresh(second["refresh_token"]), "invalid_grant")
        for tokens in (first, second):
            headers = bearer(tokens["access_token"])
            answer = await http.get(ROOT + "/auth/userinfo", headers=headers)
            assert answer.status_code == 401


class TestGrace:
    async def test_s50_requests_that_cross_are_both_answered(self, app):
        token = (await app.tokens())["refresh_token"]
        answers = await asyncio.gather(*(app.refresh(token) for _ in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        successors = {answer.json()["refresh_token"] for answer in answers}
        assert len(successors) == 6

    async def test_s50_after_the_successor_was_used_it_is_theft(self, app):
        first = await app.tokens()
        second = (await app.refresh(first["refresh_token"])).json()
        third = (await app.refresh(second["refresh_token"])).json()
        assert_error(await app.refresh(first["refresh_token"]), "invalid_grant")
        assert_error(await app.refresh(third["refresh_token"]), "invalid_grant")


class TestExpiry:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "refresh_seconds": 5, "online_seconds": 5}

    async def test_s43_online_access_ends_at_its_time_however_often_it_is_refreshed(self, app):
        token = (await app.tokens(scope="online_access patient/*.rs"))["refresh_token"]
        await asyncio.sleep(3)
        token = (await app.refresh(token)).json()["refresh_token"]
        await asyncio.sleep(2.1)
        assert_error(await app.refresh(token), "invalid_grant")

    async def test_s43_offline_access_lasts_while_it_is_used(self, app):
        token = (await app.tokens())["refresh_token"]
        for _ in range(2):
            await asyncio.sleep(3)
            answer = await app.refresh(token)
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]
