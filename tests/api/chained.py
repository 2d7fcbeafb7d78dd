"""Records that chains lead through, and searches that tell what they asked of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fhir_server.access.grant import Filter, Grant
from fhir_server.errors import TooCostly
from fhir_server.exchange import FhirRequest
from fhir_server.interactions import walk
from fhir_server.interactions.finder import StoreFinder
from fhir_server.interactions.rows import Reader
from fhir_server.interactions.searchset import Scope, compile_queries, count
from fhir_server.search import chain, direction, near
from fhir_server.search.compile import Query
from fhir_server.search.cursor import Cursor
from fhir_server.search.reading import parse
from fhir_server.services import Services
from tests.searching import observation

PATIENTS = 1_100


def resources() -> Iterator[dict[str, Any]]:
    """1,100 patients, 550 a sex, `rare` of 20 of them, `common` of all; every tenth secret."""
    for number in range(PATIENTS):
        id_ = f"p{number}"
        secret = {} if number % 10 else {"meta": {"tag": [{"code": "secret"}]}}
        yield {
            **{"resourceType": "Patient", "id": id_, **secret, "active": True},
            "gender": "female" if number % 2 else "male",
            "name": [{"family": "Rarissime" if number == 5 else "Usual"}],
            "managingOrganization": {"reference": f"Organization/{number % 3}"},
        }
        yield {**observation(f"c{number}", id_, "common", "2020-01-01", number), **secret}
        if number < 20:
            yield observation(f"r{number}", id_, "rare", "2021-01-01", number)
    for number in range(3):
        yield {"resourceType": "Organization", "id": str(number), "name": f"House {number}"}
    yield {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "active": True}
    group = observation("rg", "p0", "rare", "2021-01-01", 1)
    yield {**group, "subject": {"reference": "Group/g"}}
    elsewhere = observation("rx", "p0", "rare", "2021-01-01", 1)
    yield {**elsewhere, "subject": {"reference": "https://other.example/Patient/p1"}}
    versioned = observation("rv", "p0", "rare", "2021-01-01", 1)
    yield {**versioned, "subject": {"reference": "Patient/p3/_history/1"}}
    part = {**observation("x", "p3", "rare", "2021-01-01", 1), "id": "x"}
    yield {**observation("holder", "p4", "held", "2021-01-01", 1), "contained": [part]}


@dataclass(slots=True)
class Watched(StoreFinder):
    """The finder, with what was asked of it."""

    asked: list[tuple[str, str, Filter, int]] = field(default_factory=list)
    hurried: bool = False

    async def ids(
        self, type_: str, filter_: Filter, limit: int, milliseconds: int | None = None
    ) -> Sequence[str]:
        self.asked.append(("ids", type_, filter_, limit))
        if self.hurried and milliseconds is not None:
            raise TooCostly("no time")
        return await StoreFinder.ids(self, type_, filter_, limit, milliseconds)

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        self.asked.append(("keys", type_, filter_, limit))
        return await StoreFinder.keys(self, type_, filter_, prefix, limit)

    async def patients(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        self.asked.append(("patients", type_, filter_, limit))
        return await StoreFinder.patients(self, type_, filter_, limit)

    async def targets(
        self, type_: str, filter_: Filter, prefix: str | None, limit: int
    ) -> Sequence[tuple[str, Sequence[str]]]:
        self.asked.append(("targets", type_, filter_, limit))
        return await StoreFinder.targets(self, type_, filter_, prefix, limit)


DIRECTIONS: dict[str, dict[str, int]] = {
    "chosen": {},
    "far": {"direction.FEW": chain.MAX_CHAINED},
    "near": {"direction.FEW": 0, "direction.MANY": 0, "walk.MOST_WALKED": 1_000_000},
    "near, then far": {"direction.FEW": 0, "direction.MANY": 0, "walk.MOST_WALKED": 0},
    "near in small lots": {
        **{"direction.FEW": 0, "direction.MANY": 0, "walk.MOST_WALKED": 1_000_000},
        **{"walk.FIRST_LOT": 1, "walk.LARGEST_LOT": 100, "near.EACH_ROUND": 1},
    },
    "near, but for much between": {
        **{"direction.FEW": 0, "direction.MANY": 0, "near.MAX_BETWEEN": 90},
    },
}
MODULES = {"direction": direction, "near": near, "walk": walk}


def turn(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow chains from that end wherever it may be."""
    for name, value in DIRECTIONS[way].items():
        module, _, constant = name.partition(".")
        monkeypatch.setattr(MODULES[module], constant, value)


class Search:
    """A search of one type for one caller; `finder` tells what it asked."""

    def __init__(self, type_: str, query: str, grant: Grant, services: Services) -> None:
        cut = [one.partition("=") for one in query.split("&")]
        pairs = [(name, value) for name, _, value in cut]
        self.asked = parse((type_,), pairs, services.registry)
        self.services = services
        self.request = FhirRequest("GET", type_, grant, services.settings.base)
        self.finder = Watched(services.store, grant, None)

    async def compiled(self, compartment: str = "") -> list[Query]:
        scope = Scope(self.asked.types, "", compartment=compartment)
        return await compile_queries(scope, self.asked, self.request, self.services, self.finder)

    async def pages(self, compartment: str = "", limit: int = 300) -> list[str]:
        """The ids page by page, forwards; backwards they must be the same."""
        queries = await self.compiled(compartment)
        reader = Reader(self.services.store, self.request.grant, None, limit, keys=False)
        found: list[list[str]] = []
        place: Cursor | None = None
        while True:
            rows = await reader.read(queries, place, self.finder.time)
            found.append([version.id for version in rows.versions])
            if place is not None:
                assert rows.edges.before is not None
                back = Cursor(tuple(rows.edges.before), backwards=True, time=rows.time)
                before = await reader.read(queries, back, self.finder.time)
                assert [version.id for version in before.versions] == found[-2]
            if rows.edges.after is None:
                return [id_ for page in found for id_ in page]
            place = Cursor(tuple(rows.edges.after), time=rows.time)

    async def count(self, compartment: str = "") -> int:
        self.asked = replace(self.asked, total="accurate")
        queries = await self.compiled(compartment)
        return await count(queries, self.request, self.services, self.finder.time)


def parted(search: str) -> tuple[str, str]:
    type_, _, query = search.partition("?")
    return type_, query
