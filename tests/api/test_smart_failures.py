"""Clients that fail again and again wait; nobody else does."""

from __future__ import annotations

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.settings import Settings
from fhir_server.smart.failures import CLIENT_DELAYS
from fhir_server.smart.throttling import SOURCE_DELAYS
from tests.api.smart import ROOT, App, assert_error, basic

FREE = CLIENT_DELAYS.index(2) + 1


async def fail(http, client_id="symmetric", path="token"):
    """A request with a wrong secret."""
    form = {"grant_type": "refresh_token", "refresh_token": "r", "token": "t"}
    headers = basic(client_id, "wrong")
    return await http.post(f"{ROOT}/auth/{path}", data=form, headers=headers)


async def test_guessing_a_secret_is_slowed_down(http):
    for _ in range(FREE):
        assert_error(await fail(http), "invalid_client", 401)
    answer = await fail(http)
    assert_error(answer, "temporarily_unavailable", 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    # The right secret waits too, or the wait would tell nothing apart.
    assert (await App(http, "symmetric").redeem("c")).status_code == 429


@pytest.mark.parametrize("path", ["introspect", "revoke", "launch"])
async def test_there_is_no_other_door_to_guess_at(http, path):
    for _ in range(FREE):
        await fail(http)
    if path == "launch":
        headers = basic("symmetric", "wrong")
        answer = await http.post(f"{ROOT}/auth/launch", json={}, headers=headers)
    else:
        answer = await fail(http, path=path)
    assert answer.status_code == 429


async def test_other_clients_at_the_address_go_on(http):
    for _ in range(FREE + 1):
        answer = await fail(http)
    assert answer.status_code == 429
    assert (await App(http).tokens())["access_token"]


async def test_the_client_itself_goes_on_elsewhere(http):
    for _ in range(FREE + 1):
        await fail(http)
    elsewhere = httpx.ASGITransport(http._transport.app, client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=elsewhere) as other:
        assert (await App(other, "symmetric").redeem("c")).status_code == 400


async def test_a_success_ends_the_count(http):
    app = App(http)
    for _ in range(2):
        for _ in range(FREE - 1):
            assert_error(await app.refresh("nothing"), "invalid_grant")
        assert (await app.tokens())["access_token"]


async def test_what_is_no_failure_to_prove_anything_is_not_counted(http):
    for _ in range(FREE + 1):
        assert_error(await App(http).post(grant_type="password"), "unsupported_grant_type")


async def test_an_address_that_tries_many_clients_waits(http):
    for number in range(len(SOURCE_DELAYS)):
        answer = await App(http, f"client-{number}").refresh("nothing")
        if answer.status_code == 429:
            break
    assert number == SOURCE_DELAYS.index(10) + 1
    assert 5 <= int(answer.headers["retry-after"]) <= 10
    assert (await App(http).redeem("c")).status_code == 429


async def test_a_proxy_that_is_trusted_tells_addresses_apart(smart_settings):
    app = create_app(Settings(**smart_settings, trusted_proxies=("127.0.0.1",)))
    async with app.opened():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport) as http:
            http.headers["X-Forwarded-For"] = "198.51.100.7"
            for _ in range(FREE + 1):
                answer = await fail(http)
            assert answer.status_code == 429
            http.headers["X-Forwarded-For"] = "198.51.100.7, 203.0.113.9"
            assert (await fail(http)).status_code == 401
