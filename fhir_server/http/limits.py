"""How often one client may ask: a bucket of tokens for each, in each process."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.errors import TooManyRequests

MOST = 10_000
"""How many clients are remembered; who has not asked for a minute is forgotten first."""


class RateLimits:
    """Lets a client make `per_minute` requests a minute, at once or spread; 0 is no limit."""

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._rate = per_minute / 60
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> None:
        """Count one request. Raises TooManyRequests, with Retry-After, where it is too many."""
        if not self._most:
            return
        now = self._now()
        left, since = self._buckets.get(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        if left < 1:
            wait = max(1, round((1 - left) / self._rate + 0.5))
            raise TooManyRequests(
                f"More than {self._most:.0f} requests a minute; wait {wait} seconds",
                headers=[("Retry-After", str(wait))],
            )
        if client not in self._buckets and len(self._buckets) >= MOST:
            self._forget(now)
        self._buckets[client] = (left - 1, now)

    def _forget(self, now: float) -> None:
        recent = {name: bucket for name, bucket in self._buckets.items() if now - bucket[1] < 60}
        self._buckets = recent if len(recent) < MOST else {}
