"""What Prometheus is told: counts and times by interaction, never by resource.

One event loop counts, so the figures are plain numbers. The instruments of prometheus_client take
a lock at every step; here the library only reads the numbers, when it is asked for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from time import time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BOUNDS = [*(str(float(bound)) for bound in BUCKETS), "+Inf"]


class Metrics(Collector):
    """The figures of one server process. `active` is how many requests are under way."""

    def __init__(self) -> None:
        self.active = 0
        self._answered: dict[tuple[str, str, int], _Count] = {}
        self._times: dict[str, _Times] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, interaction: str, type_: str, status: int, seconds: float) -> None:
        """Count one answered request that took `seconds`."""
        key = (interaction, type_, status)
        count = self._answered.get(key)
        if count is None:
            count = self._answered[key] = _Count()
        count.number += 1
        times = self._times.get(interaction)
        if times is None:
            times = self._times[interaction] = _Times()
        times.within[bisect_left(BUCKETS, seconds)] += 1
        times.total += seconds

    def collect(self) -> Iterator[Metric]:
        """The figures as prometheus_client's own instruments would tell them."""
        requests = CounterMetricFamily(
            "fhir_requests", "Requests answered.", labels=("interaction", "type", "status")
        )
        for (interaction, type_, status), count in self._answered.items():
            requests.add_metric((interaction, type_, str(status)), count.number, count.since)
        yield requests
        seconds = HistogramMetricFamily(
            "fhir_request_seconds",
            "Time from the request's first byte to the answer's last.",
            labels=("interaction",),
        )
        for interaction, times in self._times.items():
            buckets = list(zip(_BOUNDS, accumulate(times.within), strict=True))
            seconds.add_metric((interaction,), buckets, times.total)
            named = {"interaction": interaction}
            seconds.add_sample("fhir_request_seconds_created", named, times.since)
        yield seconds
        yield GaugeMetricFamily("fhir_requests_active", "Requests under way.", self.active)

    def exposition(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Count:
    """How often something was, since when (seconds since 1970 UTC)."""

    __slots__ = ("number", "since")

    def __init__(self) -> None:
        self.number = 0
        self.since = time()


class _Times:
    """How many requests ended within each bucket and beyond the last, and their total time."""

    __slots__ = ("since", "total", "within")

    def __init__(self) -> None:
        self.within = [0] * len(_BOUNDS)
        self.total = 0.0
        self.since = time()
