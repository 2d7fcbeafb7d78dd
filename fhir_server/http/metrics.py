"""What Prometheus is told: counts and times by interaction, never by resource."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The figures of one server process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "fhir_requests",
            "Requests answered.",
            ("interaction", "type", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fhir_request_seconds",
            "Time from the request's first byte to the answer's last.",
            ("interaction",),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.active = Gauge("fhir_requests_active", "Requests under way.", registry=self.registry)
        # Looking a child up by its labels costs more than counting, so children are kept.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def observe(self, interaction: str, type_: str, status: int, seconds: float) -> None:
        """Count one answered request that took `seconds`."""
        key = (interaction, type_, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._requests.labels(interaction, type_, str(status))
            self._counters[key] = counter
        counter.inc()
        timer = self._timers.get(interaction)
        if timer is None:
            timer = self._timers[interaction] = self._seconds.labels(interaction)
        timer.observe(seconds)

    def exposition(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)
