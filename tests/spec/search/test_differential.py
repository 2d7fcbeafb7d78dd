"""Random searches on real records: the server finds what a plain reading of the text finds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fhir_server.app import create_app
from fhir_server.fhir import codec, definitions
from fhir_server.settings import Settings
from fhir_server.store import migrations
from tests.api.assertions import FHIR
from tests.spec.search.data import records
from tests.spec.search.queries import Maker, Query
from tests.spec.search.reference import Reference, Refused

pytestmark = pytest.mark.oracles

BASE = "http://127.0.0.1:8080/fhir"
LOT = 200


class Side:
    """A server filled with the records, and the plain reading of the same."""

    def __init__(self, mongodb: str) -> None:
        database = "test_search_differential"
        migrations.migrate(mongodb, database)
        self._runner = asyncio.Runner()
        app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=database, access="open"))
        self._opened = app.opened()
        self._runner.run(self._opened.__aenter__())
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE + "/", timeout=300)
        self._runner.run(self._fill())
        stored = [entry["resource"] for entry in self._runner.run(self._all("?_count=1000"))]
        self.reference = Reference(definitions.load(), stored, BASE, time.time_ns() // 1000)
        self.maker = Maker(self.reference)

    def close(self) -> None:
        """End the server."""
        self._runner.run(self._client.aclose())
        self._runner.run(self._opened.__aexit__(None, None, None))
        self._runner.close()

    async def _fill(self) -> None:
        every = records()
        for start in range(0, len(every), LOT):
            entries = [
                {
                    "resource": resource,
                    "request": {
                        "method": "PUT",
                        "url": f"{resource['resourceType']}/{resource['id']}",
                    },
                }
                for resource in every[start : start + LOT]
            ]
            body = codec.encode({"resourceType": "Bundle", "type": "batch", "entry": entries})
            answer = await self._client.post("", content=body, headers=FHIR)
            assert answer.status_code == 200, answer.text[:500]

    async def _all(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while url:
            answer = await self._client.get(url)
            assert answer.status_code == 200, answer.text
            bundle = codec.decode(answer.content, max_bytes=10**9, max_depth=100)
            found += bundle.get("entry", [])
            url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")
        return found

    def compare(self, query: Query) -> None:
        """Raise AssertionError where the two differ."""
        try:
            expected = self.reference.search(query.type, query.pairs)
        except Refused:
            answer = self._runner.run(self._client.get(f"{query.type}?{urlencode(query.pairs)}"))
            assert answer.status_code == 400, f"{query} must be refused: {answer.text[:300]}"
            return
        except NotImplementedError:
            return
        size = min(1000, max(1, -(-len(expected) // query.pages)))
        pairs = [*query.pairs, ("_count", str(size)), ("_total", "accurate")]
        if query.sort:
            pairs.append(("_sort", query.sort))
        found, total = self._runner.run(self._pages(f"{query.type}?{urlencode(pairs)}"))
        assert len(found) == len(set(found)), f"{query} repeats"
        assert (set(found), total) == (expected, len(expected)), (
            f"{query}\n too many: {sorted(set(found) - expected)[:5]} "
            f"missing: {sorted(expected - set(found))[:5]} total {total}"
        )
        if query.sort:
            self._compare_order(query, found)

    def _compare_order(self, query: Query, found: list[str]) -> None:
        code, descending = query.sort.removeprefix("-"), query.sort[0] == "-"
        keys = [self.reference.order(query.type, code, descending, id_) for id_ in found]
        known = [key for key in keys if key is not None]
        assert keys == [*known, *[None] * (len(keys) - len(known))], f"{query}: gaps come last"
        assert known == sorted(known, reverse=descending), f"{query}: {keys[:20]}"

    async def _pages(self, url: str) -> tuple[list[str], int | None]:
        found: list[str] = []
        total = None
        while url:
            answer = await self._client.get(url)
            assert answer.status_code == 200, f"{url}: {answer.text}"
            page = msgspec.json.decode(answer.content, type=_Page)
            found += [one.fullUrl.rpartition("/")[2] for one in page.entry]
            total = page.total if total is None else total
            url = next((one.url for one in page.link if one.relation == "next"), "")
        return found, total


class _Entry(msgspec.Struct):
    fullUrl: str  # noqa: N815


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Page(msgspec.Struct):
    link: list[_Link]
    entry: list[_Entry] = []
    total: int | None = None


@pytest.fixture(scope="module")
def side(mongodb: str) -> Iterator[Side]:
    """The server and the reference, filled once."""
    found = Side(mongodb)
    yield found
    found.close()


SEEDS = st.integers(0, 2**32)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@seed(4)
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET, database=None)
@given(number=SEEDS)
def test_the_server_finds_what_the_text_says(side: Side, number: int) -> None:
    side.compare(side.maker.query(number))


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None, suppress_health_check=QUIET, database=None)
@given(number=SEEDS)
def test_twenty_thousand_searches(side: Side, number: int) -> None:
    side.compare(side.maker.query(number))
