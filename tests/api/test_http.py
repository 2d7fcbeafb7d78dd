"""The HTTP face: what every answer has, whatever was asked. https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.settings import Settings
from tests.api.assertions import FHIR, assert_outcome, patient

ROOT = "http://127.0.0.1:8080"


async def test_request_ids_are_echoed_or_given(client: httpx.AsyncClient) -> None:
    """R-47."""
    response = await client.get("metadata", headers={"X-Request-Id": "call-7"})
    assert response.headers["x-request-id"] == "call-7"
    first, second = await client.get("Patient"), await client.get("Patient")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    broken = await client.get("Patient", headers={"X-Request-Id": "a b\tc"})
    assert broken.headers["x-request-id"] != "a b\tc"


async def test_browsers_of_other_origins_may_read_errors_too(client: httpx.AsyncClient) -> None:
    """R-47, S-11."""
    response = await client.get("Patient/none", headers={"Origin": "https://app.example.org"})
    assert response.status_code == 404
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = response.headers["access-control-expose-headers"]
    for name in ("Location", "ETag", "Content-Location", "Last-Modified", "X-Progress"):
        assert name in exposed
    preflight = await client.options(
        "Patient",
        headers={
            "Origin": "https://app.example.org",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 204
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    for name in ("Authorization", "Content-Type", "If-Match"):
        assert name in preflight.headers["access-control-allow-headers"]


async def test_errors_of_paths_that_are_nothing_are_outcomes(client: httpx.AsyncClient) -> None:
    """R-28."""
    assert_outcome(await client.get("Patient/1/a/b/c"), 404, "not-found")
    assert_outcome(await client.get("Patient/a%2Fb"), 400, "invalid")
    assert_outcome(await client.get("$nothing"), 404, "not-supported")
    assert_outcome(await client.get(f"{ROOT}/nowhere"), 404, "not-found")
    assert_outcome(await client.post(f"{ROOT}/healthz"), 405, "not-supported")


async def test_large_answers_are_compressed_where_asked(client: httpx.AsyncClient) -> None:
    response = await client.get("metadata", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["resourceType"] == "CapabilityStatement"
    plain = await client.get("metadata", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_a_compressed_body_is_read(client: httpx.AsyncClient) -> None:
    body = gzip.compress(b'{"resourceType":"Patient"}')
    headers = {**FHIR, "Content-Encoding": "gzip"}
    assert (await client.post("Patient", content=body, headers=headers)).status_code == 201


async def test_health_readiness_and_figures(client: httpx.AsyncClient) -> None:
    await client.get("Patient/none")
    assert (await client.get(f"{ROOT}/healthz")).json() == {"status": "alive"}
    assert (await client.get(f"{ROOT}/readyz")).json() == {"status": "ready"}
    figures = (await client.get(f"{ROOT}/metrics")).text
    assert 'fhir_requests_total{interaction="read",status="404",type="Patient"} 1.0' in figures


async def test_the_index_page_says_what_this_is_and_takes_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get(f"{ROOT}/")
    assert "FHIR R4" in response.text
    assert "Open:" in response.text
    assert "<script" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["x-frame-options"] == "DENY"


async def test_the_openapi_description_has_every_route(client: httpx.AsyncClient) -> None:
    described = (await client.get(f"{ROOT}/openapi.json")).json()
    assert "/{type}/{id}/_history/{version}" in described["paths"]
    assert described["paths"]["/{type}/{id}"].keys() >= {"get", "put", "patch", "delete"}
    ids = [
        entry["operationId"]
        for path in described["paths"].values()
        for method, entry in path.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))


@pytest.fixture
async def closed(mongodb: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that was not told to be open."""
    app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=database_name))
    async with app.opened():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{ROOT}/fhir/") as caller:
            yield caller


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Patient/1"),
        ("GET", "Patient"),
        ("GET", ""),
        ("GET", "_history"),
        ("GET", "Patient/1/_history/1"),
        ("GET", "Patient/1/Observation"),
        ("POST", ""),
        ("POST", "Patient"),
        ("PUT", "Patient/1"),
        ("PATCH", "Patient/1"),
        ("DELETE", "Patient/1"),
        ("DELETE", "Patient"),
        ("GET", "Patient/1/$everything"),
        ("POST", "Patient/$validate"),
    ],
)
async def test_a_closed_server_answers_nobody(
    closed: httpx.AsyncClient, method: str, path: str
) -> None:
    """The default: 401 with a challenge, whether or not there is such a thing."""
    response = await closed.request(method, path, json=patient() if method != "GET" else None)
    assert_outcome(response, 401, "login")
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_closed_server_says_what_it_can_do(closed: httpx.AsyncClient) -> None:
    """R-29."""
    response = await closed.get("metadata")
    assert response.status_code == 200
    assert "Closed" in response.json()["rest"][0]["security"]["description"]
