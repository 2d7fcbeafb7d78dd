"""From which end a chain is followed: by counts, and with the same answer from both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.access.grant import Action, Filter, Grant, Part, Rule
from fhir_server.app import open_services
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.interactions.finder import StoreFinder, context_of
from fhir_server.interactions.searchset import Scope, compile_queries
from fhir_server.search import chain
from fhir_server.search.compile import Query
from fhir_server.search.request import parse
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.store import migrations
from fhir_server.store.resources import PageQuery, Version
from tests.searching import observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATABASE = "test_search_chains"
PATIENTS = 1_100
SOME = frozenset(f"in=Patient/p{number}" for number in range(7))
LABEL = frozenset(("_tag=secret",))
GRANTS = {
    "open": Grant.open(),
    "few patients": Grant("few", "", (Rule(frozenset(Action), None, (SOME,)),)),
    "denials": Grant.open().narrowed(
        Part("consents", (Rule(frozenset(Action)),), (Rule(frozenset(Action), None, (LABEL,)),))
    ),
}


@dataclass(slots=True)
class Watched(StoreFinder):
    """The finder, with what was asked of it."""

    asked: list[tuple[str, str, Filter, int]] = field(default_factory=list)

    async def ids(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        self.asked.append(("ids", type_, filter_, limit))
        return await StoreFinder.ids(self, type_, filter_, limit)

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        self.asked.append(("keys", type_, filter_, limit))
        return await StoreFinder.keys(self, type_, filter_, prefix, limit)

    @property
    def from_near(self) -> bool:
        """Whether the far end was asked for those alone that the near side points at."""
        return any("_id" in filter_ for _, _, filter_, _ in self.asked)


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


@pytest.fixture(scope="module")
def migrated(mongodb: str) -> Iterator[str]:
    """A database for all tests of this module."""
    migrations.migrate(mongodb, DATABASE)
    yield DATABASE
    with MongoClient[dict[str, object]](mongodb) as client:
        client.drop_database(DATABASE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(mongodb: str, migrated: str) -> AsyncIterator[Services]:
    """Services on the resources above."""
    settings = Settings(mongodb_uri=mongodb, mongodb_database=migrated, access="open")
    async with open_services(settings) as opened:
        versions = [
            Version(
                *(resource["resourceType"], resource["id"], 1, opened.store.stamp()),
                *(codec.encode(resource), "POST", opened.indexer(resource)),
            )
            for resource in resources()
        ]
        await opened.store.insert(versions, Grant.system("test"))
        yield opened


async def compiled(
    query: str, grant: Grant, services: Services, compartment: str = ""
) -> tuple[list[Query], Watched]:
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in query.split("&"))]
    asked = parse(("Observation",), pairs, services.registry)
    request = FhirRequest("GET", "Observation", grant, services.settings.base)
    finder = Watched(services.store, grant, None)
    scope = Scope(("Observation",), "", compartment=compartment)
    return await compile_queries(scope, asked, request, services, finder), finder


async def found(
    queries: list[Query], finder: Watched, grant: Grant, services: Services
) -> list[str]:
    pages = [
        await services.store.page(
            PageQuery(query.type, query.filter, limit=5_000, at_cluster_time=finder.time), grant
        )
        for query in queries
    ]
    return [version.id for page in pages for version in page.versions]


FROM_NEAR = {
    "code=rare&subject:Patient.active=true": "",
    "code=rare&subject.active=true": "",
    "code=rare&patient.active=true": "",
    "code=rare&patient.organization.name=House": "",
    "subject:Patient.active=true&patient.organization.active:missing=true&code=rare": "",
    "_id=r1,c7,r9&subject:Patient.active=true": "",
    '_filter=code eq "rare" and subject:Patient.active eq "true"': "",
    "subject:Patient.active=true": "Patient/p3",
    "code=none&patient.active=true": "",
}
FROM_FAR = {
    "code=common&subject:Patient.active=true": "",
    "subject:Patient.active=true": "",
    "code=rare&subject:Patient.family=Rarissime": "",
    "code=rare&patient.gender=male": "",
    '_filter=code eq "rare" or subject:Patient.active eq "true"': "",
    "_contained=true&code=rare&patient.active=true": "",
}


@pytest.mark.parametrize(("query", "compartment"), FROM_NEAR.items())
async def test_few_here_and_many_there_are_followed_from_here(
    query: str, compartment: str, services: Services
) -> None:
    _, finder = await compiled(query, Grant.open(), services, compartment)
    assert finder.from_near
    far = ("Patient", chain.MAX_CHAINED + 1)
    whole = [one for one in finder.asked if (one[1], one[3]) == far and "_id" not in one[2]]
    assert not whole, "the far end was read as a whole too"


@pytest.mark.parametrize(("query", "compartment"), FROM_FAR.items())
async def test_everything_else_is_followed_from_the_far_end(
    query: str, compartment: str, services: Services
) -> None:
    _, finder = await compiled(query, Grant.open(), services, compartment)
    assert not finder.from_near


async def test_few_at_the_far_end_are_read_once(services: Services) -> None:
    _, finder = await compiled("code=rare&patient.gender=male", Grant.open(), services)
    assert [one[:2] for one in finder.asked] == [("ids", "Patient")]


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize(("query", "compartment"), [*FROM_NEAR.items(), *FROM_FAR.items()])
async def test_both_directions_have_one_answer(
    query: str, compartment: str, name: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {}
    for many in (0, 1_000, chain.MAX_CHAINED + 1):  # from near wherever it may, as it is, from far
        monkeypatch.setattr(chain, "MANY", many)
        queries, finder = await compiled(query, GRANTS[name], services, compartment)
        answers[many] = await found(queries, finder, GRANTS[name], services)
        counts = [
            await services.store.count(one.type, one.filter, GRANTS[name], None, finder.time)
            for one in queries
        ]
        assert sum(counts) == len(answers[many])
    near, chosen, far = answers.values()
    assert near == chosen == far
    assert near or query.startswith("code=none") or name != "open"


async def test_the_near_side_is_asked_for_what_the_far_end_is_too_much_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_CHAINED", 1_050)
    query = "code=rare&patient.active=true"
    queries, finder = await compiled(query, Grant.open(), services)
    assert len(await found(queries, finder, Grant.open(), services)) == 21


async def test_filters_for_later_do_not_depend_on_what_is_here_now(services: Services) -> None:
    pairs = [("code", "rare"), ("patient.active", "true")]
    asked = parse(("Observation",), pairs, services.registry)
    finder = Watched(services.store, Grant.open(), None)
    context = context_of("Observation", services)
    await chain.resolve(asked.conditions["Observation"], context, finder)
    assert not finder.from_near
