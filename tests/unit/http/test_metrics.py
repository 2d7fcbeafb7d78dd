"""The figures for Prometheus, held against the library's own instruments."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fhir_server.http.metrics import BUCKETS, Metrics

SEEN = [
    ("read", "Patient", 200, 0.0004),
    ("read", "Patient", 200, 0.001),
    ("read", "Observation", 404, 0.0011),
    ("create", "Patient", 201, 30.0),
    ("none", "", 404, 45.5),
]


@pytest.mark.parametrize("active", [0, 3])
def test_the_exposition_is_that_of_the_librarys_instruments(active: int) -> None:
    registry = CollectorRegistry()
    labels = ("interaction", "type", "status")
    requests = Counter("fhir_requests", "Requests answered.", labels, registry=registry)
    seconds = Histogram(
        "fhir_request_seconds",
        "Time from the request's first byte to the answer's last.",
        ("interaction",),
        registry=registry,
        buckets=BUCKETS,
    )
    Gauge("fhir_requests_active", "Requests under way.", registry=registry).set(active)
    metrics = Metrics()
    metrics.active = active
    for interaction, type_, status, took in SEEN:
        requests.labels(interaction, type_, str(status)).inc()
        seconds.labels(interaction).observe(took)
        metrics.observe(interaction, type_, status, took)
    assert _lines(metrics.exposition()) == _lines(generate_latest(registry))


def _lines(exposition: bytes) -> list[str]:
    """The lines without the instants at which something was first seen."""
    return [
        line.rpartition(" ")[0] if "_created{" in line else line
        for line in exposition.decode().splitlines()
    ]
