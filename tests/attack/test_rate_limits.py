"""Who asks too often waits; whoever else asks does not."""

from __future__ import annotations

from tests.callers import served


async def test_a_client_that_asks_too_often_is_told_how_long_to_wait(mongodb: str) -> None:
    async with served(mongodb, "test_attack_rate", requests_per_minute=3) as world:
        busy = await world.token("system/*.rs", client_id="busy", subject="busy")
        also_busy = await world.token("system/*.rs", client_id="busy", subject="busy")
        other = await world.token("system/*.rs", client_id="other", subject="other")
        answers = [await world.ask("GET", "Patient", busy) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        refused = await world.ask("GET", "Patient", also_busy)
        assert refused.status_code == 429
        assert refused.json()["issue"][0]["code"] == "throttled"
        assert 1 <= int(refused.headers["retry-after"]) <= 21
        assert (await world.ask("GET", "Patient", other)).status_code == 200
