"""A server in process for tables of searches: asked from code that is not async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from fhir_server.app import create_app
from fhir_server.fhir import codec
from fhir_server.settings import Settings
from fhir_server.store import migrations
from tests.api.assertions import FHIR

BASE = "http://127.0.0.1:8080/fhir"
LOT = 200


class FrontDoor:
    """What one client sees of a server."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner, self._client = runner, client

    def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """The answer to one request; `url` is relative to the base, or absolute."""
        return self._runner.run(self._client.request(method, url, **more))

    def fill(self, resources: Iterable[dict[str, Any]]) -> list[str]:
        """Store the resources under their ids, by batches; the faults of those refused."""
        every, faults = list(resources), []
        for start in range(0, len(every), LOT):
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": place_of(one)}}
                for one in every[start : start + LOT]
            ]
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
            answer = self.ask("POST", "", content=codec.encode(bundle), headers=FHIR)
            assert answer.status_code == 200, answer.text[:500]
            for entry, sent in zip(answer.json()["entry"], entries, strict=True):
                if entry["response"]["status"][:3] not in ("200", "201"):
                    faults.append(f"{sent['request']}: {entry['response']}")
        return faults

    def put(self, resource: dict[str, Any]) -> httpx.Response:
        """Store one resource under its id."""
        body = codec.encode(resource)
        return self.ask("PUT", place_of(resource), content=body, headers=FHIR)

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """The Bundles of a search, page after page."""
        while url:
            answer = self.ask("GET", url)
            assert answer.status_code == 200, f"{url}: {answer.text}"
            bundle = codec.decode(answer.content, max_bytes=10**9, max_depth=100)
            yield bundle
            url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")


def place_of(resource: dict[str, Any]) -> str:
    """`Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


def pairs_of(query: str) -> Sequence[tuple[str, str]]:
    """Names and values of a query that is not percent-encoded."""
    cut = [part.partition("=") for part in query.split("&") if part]
    return [(name, value) for name, _, value in cut]


@contextmanager
def front_door(mongodb: str, database: str) -> Iterator[FrontDoor]:
    """An open server on a database of its own."""
    migrations.migrate(mongodb, database)
    settings = Settings(mongodb_uri=mongodb, mongodb_database=database, access="open")
    app = create_app(settings)
    with asyncio.Runner() as runner:
        opened = app.opened()
        runner.run(opened.__aenter__())
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url=BASE + "/", timeout=300)
        try:
            yield FrontDoor(runner, client)
        finally:
            runner.run(client.aclose())
            runner.run(opened.__aexit__(None, None, None))
