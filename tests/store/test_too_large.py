"""A document that passes the driver and is a little more than MongoDB takes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fhir_server.errors import TooLarge
from fhir_server.store.resources import Session, Store, Version
from tests.stored import OPEN, version

A_LITTLE_MORE = 16 * 1024 * 1024 + 4_000


def large(id_: str, number: int = 1) -> Version:
    made = version(id_, number)
    assert made.keys
    return replace(made, keys=made.keys._replace(n=["w" * A_LITTLE_MORE]))


async def test_it_is_refused_and_those_beside_it_are_stored(store: Store) -> None:
    with pytest.raises(TooLarge):
        await store.insert([large("alone")], OPEN)
    writes = [version("a"), large("b"), version("c")]
    assert [type(one) for one in await store.insert_all(writes, OPEN)] == [
        type(None),
        TooLarge,
        type(None),
    ]
    assert await store.count("Observation", {}, OPEN) == 2


async def test_it_takes_nobodys_place(store: Store) -> None:
    await store.insert([version("a")], OPEN)
    old = await store.current("Observation", "a", OPEN)
    assert old is not None
    with pytest.raises(TooLarge):
        await store.replace(large("a", 2), old, OPEN)
    assert (await store.read("Observation", "a", OPEN)).version == 1
    await store.replace(version("a", 2), old, OPEN)


async def test_a_transaction_with_it_leaves_nothing(store: Store) -> None:
    async def within(session: Session) -> None:
        await store.insert([version("a"), large("b")], OPEN, session)

    with pytest.raises(TooLarge):
        await store.transaction(within, {"Observation"})
    assert await store.count("Observation", {}, OPEN) == 0
