"""The made-up people as transaction Bundles: the network of care first, then one per person."""

from __future__ import annotations

from datetime import date
from typing import Any

from fhir_server.demo import network
from fhir_server.demo.population import PEOPLE
from fhir_server.demo.record import grown

TODAY = date(2026, 11, 2)
"""The day on which the made-up records end; fixed, so that every run gives the same bytes."""


def bundles(today: date = TODAY) -> dict[str, dict[str, Any]]:
    """Bundles by name, in the order in which to load them; every entry is a PUT to a fixed id."""
    found = {"network": _transaction(network.resources())}
    for order, person in enumerate(PEOPLE, 1):
        found[person.id] = _transaction(grown(person, order, today))
    return found


def _transaction(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"https://demo.example.org/fhir/{place}",
                "resource": resource,
                "request": {"method": "PUT", "url": place},
            }
            for resource in resources
            for place in (f"{resource['resourceType']}/{resource['id']}",)
        ],
    }
