"""What MongoDB examines for a page: about as many keys as the page has rows, however many match."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from fhir_server.access.grant import Condition, Grant, Rule
from fhir_server.app import open_services
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.interactions.searchset import Scope, compile_queries
from fhir_server.search.compile import Query
from fhir_server.search.keyset import stretches
from fhir_server.search.reading import parse
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.store.resources import PageQuery, Version
from tests.mongod import database
from tests.searching import observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATABASE = "test_search_plans"
ROWS = 20
PATIENTS, EACH = 60, 50


@pytest.fixture(scope="module")
def migrated(mongodb: str) -> Iterator[str]:
    """A database for all tests of this module."""
    with database(mongodb, DATABASE) as name:
        yield name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(mongodb: str, migrated: str) -> AsyncIterator[Services]:
    """Services on 3,000 Observations of 60 patients, each with five codes on 50 days."""
    settings = Settings(mongodb_uri=mongodb, mongodb_database=migrated, access="open")
    async with open_services(settings) as opened:
        versions = []
        for patient in range(PATIENTS):
            for number in range(EACH):
                day = f"20{10 + number // 5}-{1 + patient % 12:02}-{1 + number % 5:02}"
                id_ = f"o{patient}-{number}"
                resource = observation(id_, f"p{patient}", f"{number % 5}-0", day, number)
                resource["category"] = [{"coding": [{"code": "lab" if number % 2 else "vital"}]}]
                versions.append(
                    Version(
                        "Observation",
                        id_,
                        1,
                        opened.store.stamp(),
                        codec.encode(resource),
                        "POST",
                        opened.indexer(resource),
                    )
                )
        await opened.store.insert(versions, Grant.system("test"))
        yield opened


async def compiled(query: str, services: Services, compartment: str = "") -> Query:
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in query.split("&"))]
    asked = parse(("Observation",), pairs, services.registry)
    request = FhirRequest("GET", "Observation", Grant.open(), services.settings.base)
    scope = Scope(("Observation",), "", compartment)
    (found,) = await compile_queries(scope, asked, request, services)
    return found


@pytest.mark.parametrize(
    "query",
    [
        "_sort=-_lastUpdated",
        "_sort=_lastUpdated",
        "_sort=-date",
        "_sort=date",
        "code=1-0",
        "code=http://loinc.org|1-0&_sort=-date",
        "code=1-0&date=ge2015&_sort=-date",
        "code=1-0&date=ge2012&date=lt2014&_sort=date",
        "patient=p7",
        "patient=Patient/p7&_sort=-date",
        "patient=p7&code=1-0",
        "patient=p7&category=lab",
        "patient=p7&category=lab&date=ge2012",
        "subject=Patient/p7&code=1-0&_sort=-date",
        "category=lab&date=ge2015&_sort=-date",
        "code=1-0,2-0&_sort=-date",
        "patient=p1,p2,p3&_sort=-date",
        "patient=p1,p2,p3&code=1-0&_sort=-date",
        "status=final",
        "status=http://hl7.org/fhir/observation-status|final",
        "patient=p7&status=final",
        "patient=p7&status=final&code=http://loinc.org|1-0",
        "code=http://loinc.org|",
        "code=http://loinc.org|&_sort=date",
        "code=http://loinc.org|&date=ge2012",
    ],
)
@pytest.mark.parametrize("page", ["first", "later"])
async def test_a_page_examines_about_as_many_keys_as_it_has_rows(
    query: str, page: str, services: Services
) -> None:
    found = await compiled(query, services)
    assert found.order is not None
    after = None
    if page == "later":
        (first,) = stretches(found.filter, found.order, None, backwards=False, merged=found.merged)[
            :1
        ]
        rows = await services.store.page(
            PageQuery("Observation", first.filter, tuple(first.sort.items()), 7), Grant.open()
        )
        value, id_ = rows.place(-1)
        after = (value, id_)
    part = stretches(found.filter, found.order, after, backwards=False, merged=found.merged)[0]
    told = await services.store.explain(
        PageQuery("Observation", part.filter, tuple(part.sort.items()), ROWS), Grant.open()
    )
    alternatives = query.count(",") + 1
    assert told["returned"] > 0
    assert told["keys"] <= told["returned"] + 10 * alternatives, told
    assert "SORT" not in told["stages"], told


async def test_a_grant_keeps_the_order_of_the_index(services: Services) -> None:
    narrow = Grant(
        "compartment",
        "",
        (Rule(frozenset(Grant.open().rules[0].actions), None, (frozenset({"in=Patient/p7"}),)),),
    )
    found = await compiled("patient=p7&code=1-0", services)
    assert found.order is not None
    for after in (None, (1_400_000_000_000_000, "o7-1")):
        part = stretches(found.filter, found.order, after, backwards=False, merged=False)[0]
        told = await services.store.explain(
            PageQuery("Observation", part.filter, tuple(part.sort.items()), ROWS), narrow
        )
        assert told["keys"] <= told["returned"] + 10, told
        assert "SORT" not in told["stages"], told


MINE = Rule(frozenset(Grant.open().rules[0].actions), None, (frozenset({"in=Patient/p7"}),))
LAB = replace(MINE, conditions=(Condition({"k": "category=lab"}),))


@pytest.mark.parametrize("rules", [(), (MINE,), (LAB, replace(LAB, conditions=()))])
@pytest.mark.parametrize("query", ["_sort=-date", "_sort=date", "category=lab"])
async def test_a_record_is_read_in_its_order(
    query: str, rules: tuple[Rule, ...], services: Services
) -> None:
    found = await compiled(query, services, "" if rules else "Patient/p7")
    assert found.order is not None
    part = stretches(found.filter, found.order, None, backwards=False, merged=found.merged)[0]
    grant = Grant("compartment", "", rules) if rules else Grant.open()
    told = await services.store.explain(
        PageQuery("Observation", part.filter, tuple(part.sort.items()), ROWS), grant
    )
    assert told["returned"] == ROWS
    assert told["keys"] <= 2 * ROWS + 10, told  # every other one is of the category
    assert "SORT" not in told["stages"], told


async def test_a_range_of_keys_that_few_have_is_read_itself(services: Services) -> None:
    found = await compiled("code=http://loinc.org/other|", services)
    assert found.order is not None
    part = stretches(found.filter, found.order, None, backwards=False, merged=found.merged)[0]
    told = await services.store.explain(
        PageQuery("Observation", part.filter, tuple(part.sort.items()), ROWS), Grant.open()
    )
    assert (told["returned"], told["keys"] <= 1) == (0, True), told


@pytest.mark.parametrize(
    "query",
    [
        "code-value-quantity=1-0$gt45",
        "code-value-quantity=http://loinc.org|$gt48",
        "code-value-quantity=http://loinc.org|$48",
        "value-quantity=gt48",
        "code=4-0&value-quantity=gt48",
    ],
)
async def test_ordered_values_are_found_by_their_range(query: str, services: Services) -> None:
    found = await compiled(query, services)
    assert found.order is not None
    part = stretches(found.filter, found.order, None, backwards=False, merged=found.merged)[0]
    told = await services.store.explain(
        PageQuery("Observation", part.filter, tuple(part.sort.items()), ROWS), Grant.open()
    )
    assert told["returned"] > 0
    assert told["keys"] <= 400, told  # of 3,000
