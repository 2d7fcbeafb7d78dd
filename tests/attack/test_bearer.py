"""How a token comes, and how long it is good. RFC 6750, RFC 9700, RFC 7009."""

from __future__ import annotations

import time

import pytest

from tests.callers import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
