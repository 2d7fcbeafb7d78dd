"""What a compiled FHIRPath expression costs beside the same walk written by hand in Python.

    python -m tests.bench.fhirpath

Ratios are of one run on one machine; a ratio of 2 is twice the time of the hand-written walk.
"""

from __future__ import annotations

from collections.abc import Callable
from timeit import repeat
from typing import Any

from fhir_server.fhir import fhirpath

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "category": [{"coding": [{"system": "http://example.org/c", "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}], "text": "HbA1c"},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2026-11-21T20:35:00Z",
    "valueQuantity": {"value": 6, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
}


def codes(resource: dict[str, Any]) -> list[Any]:
    found = []
    for coding in resource.get("code", {}).get("coding", ()):
        if "code" in coding:
            found.append(("code", coding["code"], coding.get("_code")))
    return found


def quantity(resource: dict[str, Any]) -> list[Any]:
    value = resource.get("valueQuantity")
    return [] if value is None else [("Quantity", value, None)]


def subject(resource: dict[str, Any]) -> list[Any]:
    value = resource.get("subject")
    patient = value is not None and value.get("reference", "").startswith("Patient/")
    return [("Reference", value, None)] if patient else []


ROWS: list[tuple[str, Callable[[dict[str, Any]], list[Any]]]] = [
    ("Observation.code.coding.code", codes),
    ("(Observation.value as Quantity)", quantity),
    ("Observation.subject.where(resolve() is Patient)", subject),
]


def microseconds(act: Callable[[], object], times: int = 20_000) -> float:
    """The best of five rounds, for one call."""
    return min(repeat(act, number=times, repeat=5)) / times * 1e6


def main() -> None:
    print(f"{'expression':50} {'by hand':>9} {'nodes':>9} {'ratio':>6} {'engine':>9}   (us)")
    for expression, by_hand in ROWS:
        compiled = fhirpath.compile(expression)
        assert compiled.nodes(OBSERVATION) == by_hand(OBSERVATION)
        floor = microseconds(lambda act=by_hand: act(OBSERVATION))  # type: ignore[misc]
        nodes = microseconds(lambda one=compiled: one.nodes(OBSERVATION))  # type: ignore[misc]
        engine = microseconds(lambda one=compiled: one.items(OBSERVATION), 5000)  # type: ignore[misc]
        print(f"{expression:50} {floor:9.2f} {nodes:9.2f} {nodes / floor:6.1f} {engine:9.2f}")


if __name__ == "__main__":
    main()
