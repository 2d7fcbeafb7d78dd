"""Coalesced work: nobody who asks is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fhir_server.store.groups import Group


@pytest.mark.parametrize("pauses", range(12))
@pytest.mark.parametrize("lanes", [1, 2])
async def test_who_asks_at_the_moment_a_call_ends_is_answered_too(lanes, pauses):
    async def run(items: Sequence[int]) -> list[int]:
        return [item * 2 for item in items]

    group: Group[int, int] = Group(run, lanes=lanes)
    async with asyncio.timeout(5):
        for item in range(5):
            first, second = group.submit(item), group.submit(-item)
            for _ in range(pauses):
                await asyncio.sleep(0)
            late = group.submit(item + 100)
            assert await first == item * 2
            assert await second == -item * 2
            assert await late == item * 2 + 200


@pytest.mark.parametrize(("waiting", "calls"), [(15, 2), (48, 4)])
async def test_only_a_crowd_is_split_among_lanes(waiting, calls):
    """One goes ahead alone; what then gathers is one call, or a call in each lane."""
    going: list[int] = []
    release = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        going.append(len(items))
        await release.wait()
        return list(items)

    group: Group[int, int] = Group(run, lanes=4, crowd=16)
    answers = [group.submit(0)]
    await asyncio.sleep(0)
    answers += [group.submit(item) for item in range(1, waiting + 1)]
    await asyncio.sleep(0)
    under_way = len(going)
    release.set()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*answers) == list(range(waiting + 1))
    assert len(going) == calls
    assert under_way == (1 if waiting < 16 else calls)
