"""How often one client may ask."""

from __future__ import annotations

import pytest

from fhir_server.errors import TooManyRequests
from fhir_server.http.limits import MOST, RateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minutes_requests_may_come_at_once_and_the_next_waits(clock: Clock) -> None:
    limits = RateLimits(60, clock)
    for _ in range(60):
        limits.take("a")
    with pytest.raises(TooManyRequests) as caught:
        limits.take("a")
    assert caught.value.status == 429
    wait = int(dict(caught.value.headers)["Retry-After"])
    clock.now += wait
    limits.take("a")


def test_waiting_as_told_is_enough_for_slow_rates_too(clock: Clock) -> None:
    limits = RateLimits(1, clock)
    limits.take("a")
    with pytest.raises(TooManyRequests) as caught:
        limits.take("a")
    clock.now += int(dict(caught.value.headers)["Retry-After"])
    limits.take("a")


def test_a_refused_request_costs_nothing(clock: Clock) -> None:
    limits = RateLimits(60, clock)
    for _ in range(60):
        limits.take("a")
    for _ in range(100):
        with pytest.raises(TooManyRequests):
            limits.take("a")
    clock.now += 2
    limits.take("a")
    limits.take("a")


def test_each_client_has_its_own_count(clock: Clock) -> None:
    limits = RateLimits(1, clock)
    limits.take("a")
    limits.take("b")
    with pytest.raises(TooManyRequests):
        limits.take("a")


def test_zero_is_no_limit(clock: Clock) -> None:
    limits = RateLimits(0, clock)
    for _ in range(1_000):
        limits.take("a")


def test_what_is_remembered_is_bounded_and_forgets_the_quiet_first(clock: Clock) -> None:
    limits = RateLimits(1, clock)
    for number in range(MOST - 1):
        limits.take(f"quiet-{number}")
    clock.now += 61
    limits.take("busy")
    limits.take("new")
    assert len(limits._buckets) == 2
    with pytest.raises(TooManyRequests):
        limits.take("busy")
