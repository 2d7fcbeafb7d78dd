"""Pages, links and cursors through the front door, and that they hold while others write."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import create_app, open_services
from fhir_server.fhir import codec
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from fhir_server.store.resources import Version
from tests.api.assertions import FHIR, assert_outcome
from tests.searching import ids, link, observation
from tests.spec.search.front_door import BASE, FrontDoor, front_door

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def door(mongodb: str) -> Iterator[FrontDoor]:
    """A server with seven Observations of two patients."""
    with front_door(mongodb, "test_search_pages") as found:
        for name in ("a", "b"):
            found.put({"resourceType": "Patient", "id": name, "name": [{"family": name}]})
        for number in range(7):
            one = observation(f"o{number}", "ab"[number % 2], "1-1", f"202{number}-01-01", number)
            assert found.put(one).status_code == 201
        yield found


def bundle(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_form_adds_to_the_url(door: FrontDoor) -> None:
    """Q-06: POST merges the parameters of URL and body; [base]/_search too."""
    for url, form in (
        ("Observation/_search?code=1-1", "patient=a&_sort=_id"),
        ("Observation/_search", "code=1-1&patient=a&_sort=_id"),
        ("Observation/_search?code=1-1&patient=a&_sort=_id", ""),
        ("_search?_type=Observation", "_id=o0,o2,o4,o6&_sort=_lastUpdated"),
    ):
        found = bundle(door.ask("POST", url, content=form, headers=FORM))
        assert ids(found) == ["o0", "o2", "o4", "o6"]


def test_the_bundle_is_a_searchset(door: FrontDoor) -> None:
    """Q-11: total of the matches alone, absolute fullUrls, modes, the self link."""
    found = bundle(door.ask("GET", "Observation?patient=a&_include=Observation:subject"))
    assert (found["resourceType"], found["type"], found["total"]) == ("Bundle", "searchset", 4)
    modes = [entry["search"]["mode"] for entry in found["entry"]]
    assert sorted(modes) == ["include"] + ["match"] * 4
    for entry in found["entry"]:
        one = entry["resource"]
        assert entry["fullUrl"] == f"{BASE}/{one['resourceType']}/{one['id']}"
    assert link(found, "self").startswith(f"{BASE}/Observation?")


def test_links_lead_through_the_pages_and_back(door: FrontDoor) -> None:
    """Q-15: links are absolute GETs, also after POST, and keep what was asked for."""
    asked = "code=1-1&_sort=-date&_count=3&_elements=subject&_include=Observation:subject"
    page = bundle(door.ask("POST", "Observation/_search", content=asked, headers=FORM))
    seen, sizes = list(ids(page)), [len(ids(page))]
    assert not link(page, "previous")
    while following := link(page, "next"):
        assert following.startswith(f"{BASE}/Observation?")
        assert set(parse_qsl(asked)) <= set(parse_qsl(urlsplit(following).query))
        page = bundle(door.ask("GET", following))
        assert "valueQuantity" not in page["entry"][0]["resource"]
        assert ids(page, "include")
        seen += ids(page)
        sizes.append(len(ids(page)))
    assert (seen, sizes) == (["o6", "o5", "o4", "o3", "o2", "o1", "o0"], [3, 3, 1])
    back = bundle(door.ask("GET", link(page, "previous")))
    assert ids(back) == ["o3", "o2", "o1"]
    assert ids(bundle(door.ask("GET", link(page, "first")))) == ["o6", "o5", "o4"]


def test_a_cursor_that_was_not_given_is_refused(door: FrontDoor) -> None:
    """Q-16: forged, cut, of another query, of another type, or no cursor at all."""
    following = link(bundle(door.ask("GET", "Observation?_count=2&_sort=_id")), "next")
    head, _, text = following.rpartition("=")
    middle = len(text) // 2
    forged = [
        f"{head}={text[:-2]}",
        f"{head}={text[:middle]}{'A' if text[middle] != 'A' else 'B'}{text[middle + 1 :]}",
        f"{head}={text}{text}",
        f"{head}=x",
        f"{head}={'A' * 60_000}",
        f"{head}=%00",
        f"{head}={text}".replace("_count=2", "_count=3"),
        f"{head}={text}".replace("_sort=_id", "_sort=-_id"),
        f"{head}={text}".replace("/Observation?", "/Patient?"),
        f"{head}={text}".replace("?", "?status=final&"),
    ]
    for url in forged:
        assert_outcome(door.ask("GET", url), 400, "invalid")
    assert ids(bundle(door.ask("GET", following))) == ["o2", "o3"]


def test_a_versioned_reference_includes_that_version(door: FrontDoor) -> None:
    """Q-52: the version that the reference names; contained targets bring nothing in."""
    first = {"resourceType": "Patient", "id": "v", "gender": "male"}
    door.put(first)
    door.put({**first, "gender": "female"})
    held = observation("v1", "v/_history/1", "9-9", None, 1)
    inside = observation("v2", "v", "9-9", None, 1)
    inside["contained"] = [{"resourceType": "Patient", "id": "in"}]
    inside["subject"] = {"reference": "#in"}
    for one in (held, inside):
        assert door.put(one).status_code == 201
    found = bundle(door.ask("GET", "Observation?code=9-9&_include=Observation:subject"))
    included = [e["resource"] for e in found["entry"] if e["search"]["mode"] == "include"]
    assert [(one["id"], one["meta"]["versionId"], one["gender"]) for one in included] == [
        ("v", "1", "male")
    ]


def test_what_was_changed_or_deleted_is_not_found(door: FrontDoor) -> None:
    """Q-58: the keys of old versions are gone with the update, those of deleted ones too."""
    one = {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Old"}]}
    door.put(one)
    assert ids(bundle(door.ask("GET", "Practitioner?family=old"))) == ["p"]
    door.put({**one, "name": [{"family": "New"}]})
    assert ids(bundle(door.ask("GET", "Practitioner?family=old"))) == []
    assert ids(bundle(door.ask("GET", "Practitioner?family=new"))) == ["p"]
    assert door.ask("DELETE", "Practitioner/p").status_code in (200, 204)
    for query in ("family=new", "_id=p", "family:missing=false", "family:not-there:missing=true"):
        answer = door.ask("GET", f"Practitioner?{query}")
        assert answer.status_code == 400 or ids(answer.json()) == []
    found = bundle(door.ask("GET", "Practitioner?_total=accurate&_summary=count"))
    assert found["total"] == 0


READERS = 50


async def walk(client: httpx.AsyncClient, url: str) -> tuple[list[str], int]:
    """All ids of a search, page after page, and the total that its first page said."""
    found: list[str] = []
    total = None
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        total = page["total"] if total is None else total
        assert page["total"] == total
        found += ids(page)
        url = link(page, "next")
        await asyncio.sleep(0)
    assert total is not None
    return found, total


MANY = 10_000


@pytest.fixture
def uri(mongodb: str, database_name: str, rows: int, tmp_path: Path) -> Iterator[str]:
    """The MongoDB of all tests; for many rows one that keeps the past as long as a server's does.

    The tests' own forgets it after seconds, in which fifty readers cannot come to the end.
    """
    if rows < MANY:
        yield mongodb
        return
    server = embedded.start(tmp_path, cache_gb=1.0)
    try:
        migrations.migrate(server.uri, database_name)
        yield server.uri
    finally:
        server.stop()


@pytest.fixture
async def many(uri: str, database_name: str, rows: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with that many Observations."""
    settings = Settings(mongodb_uri=uri, mongodb_database=database_name, access="open")
    app = create_app(settings)
    async with open_services(settings) as services:
        versions = []
        for number in range(rows):
            day = f"20{10 + number % 10}-01-{1 + number % 28:02}"
            one = observation(f"o{number:05}", f"p{number % 7}", f"{number % 3}-0", day, number)
            updated = services.store.stamp()
            raw = codec.stamp(codec.encode(one), "Observation", one["id"], 1, updated)
            keys = services.indexer(one)
            versions.append(Version("Observation", one["id"], 1, updated, raw, "PUT", keys))
        for start in range(0, rows, 1000):
            await services.store.insert(versions[start : start + 1000], Grant.system("test"))
    transport = httpx.ASGITransport(app)
    async with (
        app.opened(),
        httpx.AsyncClient(transport=transport, base_url=BASE + "/", timeout=600) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("rows", "readers", "size"),
    [
        pytest.param(600, 10, 50, id="600 rows"),
        pytest.param(MANY, READERS, 200, id="10,000 rows", marks=pytest.mark.soak),
    ],
)
async def test_readers_see_each_row_once_while_writers_write(
    many: httpx.AsyncClient, rows: int, readers: int, size: int
) -> None:
    """Q-60 Q-15: each reader gets each id once, and as many as its first page said."""
    sorts = ("-date", "date", "_lastUpdated", "-_lastUpdated", "value-quantity", "-_id")
    orders = ("", "&status=final", "&code=0-0,1-0,2-0", *(f"&_sort={sort}" for sort in sorts))
    done = asyncio.Event()
    written = 0

    async def write(seed: int) -> None:
        nonlocal written
        chance = random.Random(seed)
        while not done.is_set():
            id_ = f"o{chance.randrange(rows):05}"
            day = f"20{chance.randint(10, 25)}-06-01"
            match chance.randrange(4):
                case 0:
                    one = observation(f"n{chance.random()}"[:20], "p1", "1-0", day, 1)
                    answer = await many.put(f"Observation/{one['id']}", json=one)
                case 1:
                    answer = await many.delete(f"Observation/{id_}")
                case _:
                    one = observation(id_, "p2", "2-0", day, chance.randrange(10**6))
                    answer = await many.put(f"Observation/{id_}", json=one)
            assert answer.status_code < 300 or answer.status_code == 409, answer.text
            written += 1
            await asyncio.sleep(0.005)

    async def read(number: int) -> None:
        order = orders[number % len(orders)]
        found, total = await walk(many, f"Observation?_count={size}&_total=accurate{order}")
        assert len(found) == len(set(found)), f"{order} repeats"
        assert len(found) == total, order

    writers = [asyncio.create_task(write(seed)) for seed in range(4)]
    try:
        await asyncio.gather(*(read(number) for number in range(readers)))
    finally:
        done.set()
        await asyncio.gather(*writers)
    assert written > 10


@pytest.mark.parametrize("rows", [pytest.param(300, id="300 pages of one")])
async def test_a_walk_of_many_pages_yields_each_id_once(many: httpx.AsyncClient, rows: int) -> None:
    """Q-60: one row a page, in an index's order and in a computed one."""
    for order in ("", "&_sort=value-quantity"):
        found, total = await walk(many, f"Observation?_count=1&_total=accurate{order}")
        assert (len(found), len(set(found)), total) == (rows, rows, rows)


def test_a_body_that_is_no_form_is_refused(door: FrontDoor) -> None:
    """Q-06: a search by POST is a form, nothing else."""
    answer = door.ask("POST", "Observation/_search", content=b"{}", headers=FHIR)
    assert_outcome(answer, 415, "not-supported")
