"""From which end a chain is followed: by counts, and with the same answer from both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.access.grant import Action, Filter, Grant, Part, Rule
from fhir_server.app import open_services
from fhir_server.errors import TooCostly
from fhir_server.fhir import codec
from fhir_server.interactions import walk
from fhir_server.interactions.finder import StoreFinder, context_of
from fhir_server.interactions.rows import Reader
from fhir_server.search import chain, direction, near
from fhir_server.search.cursor import Cursor
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.store.resources import Version
from tests.api.chained import DIRECTIONS, Search, Watched, parted, resources, turn
from tests.mongod import database
from tests.searching import observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATABASE = "test_search_chains"
SOME = frozenset(f"in=Patient/p{number}" for number in range(7))
LABEL = frozenset(("_tag=secret",))
GRANTS = {
    "open": Grant.open(),
    "few patients": Grant("few", "", (Rule(frozenset(Action), None, (SOME,)),)),
    "denials": Grant.open().narrowed(
        Part("consents", (Rule(frozenset(Action)),), (Rule(frozenset(Action), None, (LABEL,)),))
    ),
}


@pytest.fixture(scope="module")
def migrated(mongodb: str) -> Iterator[str]:
    """A database for all tests of this module."""
    with database(mongodb, DATABASE) as name:
        yield name


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


SEARCHES = {  # how many they find, by whoever sees everything
    "Observation?code=rare&subject:Patient.active=true": 21,
    "Observation?code=rare&subject.active=true": 21,
    "Observation?code=rare&patient.active=true": 21,
    "Observation?code=rare&patient.organization.name=House": 21,
    "Observation?subject:Patient.active=true&patient.organization.active:missing=true": 1122,
    "Observation?_id=r1,c7,r9&subject:Patient.active=true": 3,
    'Observation?_filter=code eq "rare" and subject:Patient.active eq "true"': 21,
    'Observation?_filter=code eq "rare" or subject:Patient.gender eq "male"': 574,
    'Observation?_filter=not (subject:Patient.gender eq "male")': 563,
    "Observation?code=none&patient.active=true": 0,
    "Observation?subject:Patient.active=true": 1122,
    "Observation?code=rare&subject:Patient.family=Rarissime": 1,
    "Observation?patient.gender=male&_sort=date": 561,
    "Observation?patient.gender=male&_sort=-_lastUpdated": 561,
    "Observation?patient.gender=male&_sort=value-quantity": 561,
    "Observation?_contained=true&code=rare&patient.active=true": 1,
    "Observation?_contained=both&code=rare&patient.active=true": 21,
    "Observation?patient._has:Observation:patient:code=common": 1122,
    "Observation?patient._has:Observation:patient:code=rare&code=common": 20,
    "Observation?subject:Patient.gender:not=male": 561,
    "Observation?patient.organization:missing=false": 1122,
    "Patient?_has:Observation:patient:code=common": 1100,
    "Patient?_has:Observation:subject:code=rare": 20,
    "Patient?_has:Observation:patient:code:not=rare": 1100,
    "Patient?_has:Observation:patient:value-quantity:missing=false&gender=male": 550,
    "Patient?_has:Observation:patient:code=common&_has:Observation:patient:code=rare": 20,
    "Patient?_has:Observation:patient:code=rare&_sort=family": 20,
    "Patient?_has:Observation:patient:patient.gender=male": 550,
    "Patient?_has:Observation:patient:_has:Observation:focus:code=x": 0,
    "Organization?_has:Patient:organization:active=true": 3,
    "Organization?_has:Patient:organization:_has:Observation:patient:code=common": 3,
    "Organization?_has:Patient:organization:_has:Observation:patient:code=rare&name=House": 3,
    "Group?_has:Observation:subject:code=rare": 1,
}
IN_COMPARTMENT = "Observation?subject:Patient.active=true"


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize("text", SEARCHES)
async def test_every_direction_has_one_answer(
    text: str, name: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q-20: the same rows in the same order, on all pages, in both ways, and the same total."""
    answers = {}
    for way in DIRECTIONS:
        with monkeypatch.context() as patched:
            turn(way, patched)
            answers[way] = await Search(*parted(text), GRANTS[name], services).pages()
            total = await Search(*parted(text), GRANTS[name], services).count()
            assert total == len(answers[way]) == len(set(answers[way]))
    assert all(answer == answers["far"] for answer in answers.values())
    if name == "open":
        assert len(answers["far"]) == SEARCHES[text]


@pytest.mark.parametrize("way", DIRECTIONS)
async def test_every_direction_keeps_to_a_compartment(
    way: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn(way, monkeypatch)
    found = await Search(*parted(IN_COMPARTMENT), Grant.open(), services).pages("Patient/p3")
    assert sorted(found) == ["c3", "r3", "rv"]


SLOW = {
    "input": {"$range": [0, 100_000]},
    "initialValue": 0,
    "in": {"$add": ["$$value", "$$this"]},
}

NEAR = {
    "Observation?subject:Patient.active=true": "Patient",
    "Observation?patient.gender=male": "Patient",
    "Observation?patient._has:Observation:patient:code=common": "Observation",
    "Patient?_has:Observation:patient:code=common": "Observation",
    "Patient?_has:Observation:patient:patient.gender=male": "Observation",
    "Organization?_has:Patient:organization:active=true": "Patient",
}


@pytest.mark.parametrize(("text", "far"), NEAR.items())
async def test_what_many_meet_is_asked_of_the_rows(text: str, far: str, services: Services) -> None:
    """A page reads nothing as a whole: no step asks for more than it takes to see that."""
    search = await first_page(text, services)
    (query,) = await Search(*parted(text), Grant.open(), services).compiled()
    assert query.sieve is not None
    for step, type_, filter_, limit in search.finder.asked:
        bounded = limit <= direction.MANY + 1 and step == "ids"
        assert bounded or type_ != far or "k" not in filter_ or _is_near(filter_)


async def first_page(text: str, services: Services) -> Search:
    """The search, whose finder tells what its first page of 20 took."""
    search = Search(*parted(text), Grant.open(), services)
    reader = Reader(services.store, Grant.open(), None, 20, keys=False)
    await reader.read(await search.compiled(), None, search.finder.time)
    return search


async def test_rows_tell_whose_records_they_are_in(services: Services) -> None:
    """What has been read is not asked for its patients again."""
    search = await first_page("Observation?patient.gender=male", services)
    assert [one[:2] for one in search.finder.asked] == [("ids", "Patient"), ("ids", "Patient")]


async def test_a_lot_is_as_large_as_is_likely_to_be_enough(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn("near", monkeypatch)
    text = "Patient?_has:Observation:patient:value-quantity=lt300"
    asked = (await first_page(text, services)).finder.asked
    first, second = (limit // near.EACH_ROUND for step, _, _, limit in asked if step == "targets")
    assert first == walk.FIRST_LOT < second < 2 * first


def _is_near(filter_: Filter) -> bool:
    """Whether it begins with resources, or with references to them."""
    parts = [filter_, *filter_.get("$and", ())]
    return any("_id" in part or "p" in part for part in parts) or any(
        "=Organization/" in key for key in filter_["k"].get("$in", ())
    )


@pytest.mark.parametrize("text", SEARCHES)
async def test_what_takes_long_to_look_at_is_asked_of_the_rows(
    text: str, services: Services
) -> None:
    search = Search(*parted(text), Grant.open(), services)
    search.finder.hurried = True
    assert len(await search.pages()) == await search.count() == SEARCHES[text]


async def test_a_look_ends_in_time_and_a_moment_past_changes_nothing(services: Services) -> None:
    slow = {"k": "*", "$and": [{"$expr": {"$gt": [{"$reduce": SLOW}, 0]}}]}
    finder = StoreFinder(services.store, Grant.open(), None)
    for time in (None, 1 << 32):
        finder.time = time
        with pytest.raises(TooCostly):
            await finder.ids("Patient", slow, 10, 1)


FAR = (
    "Observation?code=rare&subject:Patient.family=Rarissime",
    "Patient?_has:Observation:patient:code=rare",
    "Observation?patient._has:Observation:patient:code=rare",
)


@pytest.mark.parametrize("text", FAR)
async def test_what_few_meet_is_a_filter(text: str, services: Services) -> None:
    (query,) = await Search(*parted(text), Grant.open(), services).compiled()
    assert query.sieve is None


async def test_few_at_the_far_end_are_read_once(services: Services) -> None:
    search = Search("Observation", "patient.family=Rarissime", Grant.open(), services)
    await search.compiled()
    assert [one[:2] for one in search.finder.asked] == [("ids", "Patient")]


async def test_few_here_are_asked_where_the_far_end_is_too_much(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_CHAINED", 1_050)
    monkeypatch.setattr(direction, "MAX_CHAINED", 1_050)
    search = Search("Observation", "code=rare&patient.active=true", Grant.open(), services)
    assert len(await search.pages()) == await search.count() == 21


async def test_a_page_is_walked_to_where_the_far_end_is_too_much(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is refused only where both ends are too much."""
    for module in (chain, direction, walk):
        monkeypatch.setattr(module, "MAX_CHAINED", 1_050)
    monkeypatch.setattr(walk, "MOST_WALKED", 0)
    search = Search("Observation", "focus:Patient.active=true", Grant.open(), services)
    assert await search.pages() == []
    monkeypatch.setattr(walk, "MAX_CHAINED", 100)
    with pytest.raises(chain.TooMany):
        await search.pages()
    with pytest.raises(chain.TooMany):
        await search.count()


async def test_filters_for_later_do_not_depend_on_what_is_here_now(services: Services) -> None:
    search = Search("Observation", "code=rare&patient.active=true", Grant.open(), services)
    context = context_of("Observation", services)
    await chain.resolve(search.asked.conditions["Observation"], context, search.finder)
    assert not any(type_ == "Observation" for _, type_, _, _ in search.finder.asked)


@pytest.mark.parametrize("way", ["far", "near in small lots"])
async def test_pages_read_the_moment_of_the_first(
    way: str, mongodb: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q-24: a patient who comes in between is on none of the pages, and on those asked for anew."""
    turn(way, monkeypatch)
    text = "Patient?_has:Observation:patient:code=rare"
    search = Search(*parted(text), Grant.open(), services)
    reader = Reader(services.store, Grant.open(), None, 5, keys=False)
    rows = await reader.read(await search.compiled(), None, search.finder.time)
    seen = [version.id for version in rows.versions]
    late = {"resourceType": "Patient", "id": "p999z", "active": True}
    added = (late, observation("late", "p999z", "rare", "2021-01-01", 1))
    try:
        for one in added:
            stamp, keys = services.store.stamp(), services.indexer(one)
            version = Version(
                one["resourceType"], one["id"], 1, stamp, codec.encode(one), "POST", keys
            )
            await services.store.insert([version], Grant.system("test"))
        while rows.edges.after is not None:
            place = Cursor(tuple(rows.edges.after), time=rows.time)
            search.finder = Watched(services.store, Grant.open(), None, place.time)
            rows = await reader.read(await search.compiled(), place, place.time)
            seen += [version.id for version in rows.versions]
        assert (len(seen), len(set(seen)), "p999z" in seen) == (20, 20, False)
        assert "p999z" in await Search(*parted(text), Grant.open(), services).pages()
    finally:
        with MongoClient[dict[str, object]](mongodb) as client:
            for one in added:
                client[DATABASE][one["resourceType"]].delete_one({"_id": one["id"]})
