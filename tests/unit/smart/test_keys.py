"""The server's signing keys: shared, rotated, published early and kept late; on MongoDB."""

from __future__ import annotations

import asyncio

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.smart.keys import (
    ACCESS,
    IDENTITY,
    KEPT_AFTER,
    PUBLISHED_BEFORE,
    UNKNOWN_AGAIN,
    SigningKeys,
)
from fhir_server.store.keys import Keys

ROTATION = 10 * 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def process(store, clock):
    """A function that gives the keys as another process has them."""
    return lambda: SigningKeys(Keys(store.database), clock, ROTATION)


async def kid_of(keys, algorithm=ACCESS):
    token = await keys.sign(algorithm, {}, {"a": 1})
    read = await keys.verify(token, algorithm)
    assert read is not None
    return read.header["kid"]


async def test_processes_that_start_at_once_have_one_key(process):
    all_of_them = [process() for _ in range(4)]
    assert len(set(await asyncio.gather(*(kid_of(keys) for keys in all_of_them)))) == 1


async def test_what_one_process_signs_another_verifies(process, clock):
    one, other = process(), process()
    for algorithm in (ACCESS, IDENTITY):
        clock.now += UNKNOWN_AGAIN + 1
        token = await one.sign(algorithm, {"typ": "x"}, {"sub": "me"})
        read = await other.verify(token, algorithm)
        assert read is not None
        assert read.claims == {"sub": "me"}


async def test_s57_the_next_key_is_published_before_it_signs_and_the_old_one_after(process, clock):
    keys = process()
    first = await kid_of(keys)
    old_token = await keys.sign(ACCESS, {}, {"a": 1})
    clock.now += ROTATION + 1
    assert await kid_of(keys) == first
    published = {key["kid"] for key in (await keys.published())["keys"] if key["kty"] == "EC"}
    assert len(published) == 2
    clock.now += PUBLISHED_BEFORE + 1
    second = await kid_of(keys)
    assert {first, second} == published
    assert await process().verify(old_token, ACCESS) is not None
    clock.now += KEPT_AFTER + 400
    await keys.sign(ACCESS, {}, {})
    left = {key["kid"] for key in (await keys.published())["keys"] if key["kty"] == "EC"}
    assert left == {second}
    assert await keys.verify(old_token, ACCESS) is None


async def test_published_keys_have_no_private_part(process):
    keys = (await process().published())["keys"]
    assert {key["alg"] for key in keys} == {ACCESS, IDENTITY}
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
        assert key["use"] == "sig"


async def test_a_token_counts_only_with_our_key_and_our_algorithm(process):
    keys = process()
    kid = await kid_of(keys)
    mine = await keys.sign(ACCESS, {}, {"a": 1})
    forged = ECKey.generate_key("P-256")
    head = {"alg": ACCESS, "kid": kid, "jwk": forged.as_dict(private=False)}
    for token in (
        jwt.encode(head, {"a": 1}, forged, algorithms=[ACCESS]),
        jwt.encode({"alg": ACCESS}, {"a": 1}, forged, algorithms=[ACCESS]),
        "eyJhbGciOiJub25lIn0.e30.",
        mine[:-4] + "AAAA",
        mine.rpartition(".")[0] + ".",
        "",
        "a.b.c",
        "é.é.é",
        mine + "x" * 30_000,
    ):
        assert await keys.verify(token, ACCESS) is None
    assert await keys.verify(mine, IDENTITY) is None
    assert await keys.verify(mine, ACCESS) is not None
