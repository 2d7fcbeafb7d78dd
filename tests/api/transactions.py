"""Transactions as clients send them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.assertions import FHIR, assert_response_bundle

Json = dict[str, Any]

A = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
B = "urn:uuid:0b4a3f1e-5a3c-4d3e-9c55-7d3f0b6f3e11"
C = "urn:oid:1.2.3.4.5"


def entry(method: str, url: str, resource: Json | None = None, **more: str) -> Json:
    """An entry; `fullUrl` is its own, everything else its request's."""
    made: Json = {}
    if "fullUrl" in more:
        made["fullUrl"] = more.pop("fullUrl")
    if resource is not None:
        made["resource"] = resource
    made["request"] = {"method": method, "url": url, **more}
    return made


def account(*subjects: str, **more: Any) -> Json:
    references = [{"reference": subject} for subject in subjects]
    return {"resourceType": "Account", "status": "active", "subject": references, **more}


async def send(client: httpx.AsyncClient, *entries: Json, **headers: str) -> httpx.Response:
    body = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
    return await client.post("", json=body, headers={**FHIR, **headers})


async def done(client: httpx.AsyncClient, *entries: Json, statuses: str) -> list[Json]:
    response = await send(client, *entries, Prefer="return=representation")
    return assert_response_bundle(response, "transaction-response", statuses.split())


async def count(client: httpx.AsyncClient, type_: str = "Patient") -> int:
    found: int = (await client.get(f"{type_}?_total=accurate")).json()["total"]
    return found
