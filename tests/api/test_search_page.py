"""Searches through the front door: matches, order, links, pages, totals, includes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.settings import Settings
from tests.mongod import database
from tests.searching import LOINC, RESOURCES, get, ids, link, pages, stored

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def filled_database(mongodb: str) -> Iterator[str]:
    """A database for all tests of this module: none of them writes."""
    with database(mongodb, "test_search_page") as name:
        yield name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fhir(mongodb: str, filled_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that has the resources."""
    app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=filled_database, access="open"))
    transport = httpx.ASGITransport(app)
    base = "http://127.0.0.1:8080/fhir/"
    async with app.opened(), httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield await stored(client)


def _with(query: str, more: str) -> str:
    return f"{query}{'&' if '?' in query else '?'}{more}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Observation?patient=a", "o3 o2 o1"),  # newest clinical date first
        ("Observation?patient=Patient/a&code=1-1", "o2 o1"),
        ("Observation?subject=http://127.0.0.1:8080/fhir/Patient/a&code=2-2", "o3"),
        ("Observation?subject:Patient=b", "o4 o5"),  # those without a date come last
        ("Observation?code=1-1", "o2 o4 o1"),
        (f"Observation?code={LOINC}|1-1,{LOINC}|2-2", "o3 o2 o4 o1 o5"),
        ("Observation?code=1-1&code=2-2", ""),
        ("Observation?code=1-1,2-2&patient=b", "o4 o5"),
        ("Observation?code=nothing", ""),
        ("Observation?status:not=final", ""),
        ("Observation?date=ge2021", "o3 o2"),
        ("Observation?patient=a&date=lt2022-01-01", "o2 o1"),
        ("Observation?date:missing=true", "o5"),
        ("Observation?patient=a,b&code=2-2", "o3 o5"),
        ("Observation?_sort=date", "o1 o4 o2 o3 o5"),
        ("Observation?_sort=-date", "o3 o2 o4 o1 o5"),
        ("Observation?_sort=_lastUpdated", "o1 o2 o3 o4 o5"),
        ("Observation?_sort=code,-value-quantity", "o4 o2 o1 o5 o3"),
        ("Observation?_sort=patient,-date", "o3 o2 o1 o4 o5"),
        ("Observation?_sort=-_id&patient=a", "o3 o2 o1"),
        ("Observation?_sort=value-quantity&code=1-1", "o1 o2 o4"),
        ("Patient?_sort=family", "a b c"),
        ("Patient?_sort=-family", "b a c"),
        ("Patient?_sort=birthdate", "a b c"),
        ("Patient?_sort=given,_id", "a b c"),
        ("Patient?name=dup", "a"),
        ("Patient?name=ELUARD", "b"),
        ("Patient?name=z", "a"),
        ("Patient?family:exact=dupont", ""),
        ("Patient?_id=a,c", "a c"),
        ("Patient?_id=a&gender=male", ""),
        ("Patient?organization.name=hopital", "a"),
        ("Patient?organization:Organization.partof.identifier=77", "a"),
        ("Patient?_has:Observation:patient:code=2-2", "b a"),
        ("Patient?_has:Observation:patient:code=1-1&_has:Group:member:_id=team", "b"),
        ("Patient?_has:Observation:subject:_has:Provenance:target:_id=p1", "a"),
        ("Observation?patient.family=dupont", "o3 o2 o1"),
        ("Observation?subject.name=dupont&code=1-1", "o2 o1"),
        ("Observation?patient._has:Group:member:_id=team", "o4 o5"),
        ("Observation?patient.organization.name=hop&date=2020", "o1"),
        ("Observation?patient.birthdate=lt1985&code=2-2", "o3"),
        ("Observation?patient.family=nobody", ""),
        ("Patient/a/Observation", "o3 o2 o1"),
        ("Patient/a/Observation?code=2-2", "o3"),
        ("Patient/zz/Observation", ""),
        ("?_type=Patient&_id=a", "a"),
        ("?_type=Patient,Group", "team c b a"),
        ("?_type=Group,Patient&_sort=_lastUpdated", "a b c team"),
    ],
)
async def test_a_search_finds_exactly_what_it_asks_for(
    fhir: httpx.AsyncClient, query: str, expected: str
) -> None:
    by_compartment = "Patient/" in query.partition("?")[0]
    found = await get(fhir, query)
    matches = ids(found)
    if by_compartment:
        assert sorted(matches) == sorted(expected.split())
    else:
        assert matches == expected.split()
    assert found["total"] == len(expected.split())
    assert found["type"] == "searchset"
    whole = [
        one["resource"]["id"]
        for page in await pages(fhir, _with(query, "_count=1"))
        for one in page.get("entry", [])
    ]
    assert sorted(whole) == sorted(expected.split())
    if not by_compartment:
        assert whole == expected.split()


@pytest.mark.parametrize(
    "sort",
    [
        "",
        "_sort=date",
        "_sort=-date",
        "_sort=_lastUpdated",
        "_sort=code,-date",
        "_sort=-value-quantity",
    ],
)
async def test_previous_pages_are_the_same_pages_backwards(
    fhir: httpx.AsyncClient, sort: str
) -> None:
    forward = await pages(fhir, f"Observation?{sort}&_count=2")
    assert [len(ids(page)) for page in forward] == [2, 2, 1]
    backward = await pages(fhir, link(forward[-1], "self"), "previous")
    assert [ids(page) for page in reversed(backward)] == [ids(page) for page in forward]
    assert link(backward[-1], "previous") == ""
    assert ids(await get(fhir, link(backward[0], "first"))) == ids(forward[0])


async def test_the_system_pages_backwards_too(fhir: httpx.AsyncClient) -> None:
    forward = await pages(fhir, "?_count=5")
    assert sum(len(ids(page)) for page in forward) == len(RESOURCES)
    backward = await pages(fhir, link(forward[-1], "self"), "previous")
    assert [ids(page) for page in reversed(backward)] == [ids(page) for page in forward]


async def test_everything_of_a_compartment_and_nothing_else(fhir: httpx.AsyncClient) -> None:
    assert set(ids(await get(fhir, "Patient/b/*"))) == {"b", "o4", "o5", "team"}
    await get(fhir, "Patient/b/Medication", 404)
    await get(fhir, "Organization/h/Patient", 404)
    await get(fhir, "Patient/b/*?_type=Medication", 404)


async def test_a_form_is_the_same_search_and_its_links_are_gets(fhir: httpx.AsyncClient) -> None:
    by_get = await get(fhir, "Observation?code=1-1&_count=2")
    answer = await fhir.post("Observation/_search?code=1-1", data={"_count": "2"})
    by_post = answer.json()
    assert answer.status_code == 200
    assert ids(by_post) == ids(by_get)
    assert link(by_post, "self") == link(by_get, "self")
    assert ids(await get(fhir, link(by_post, "next"))) == ["o1"]
    system = (await fhir.post("_search", data={"_type": "Group"})).json()
    assert ids(system) == ["team"]
    member = (await fhir.post("Patient/a/Observation/_search", data={"code": "2-2"})).json()
    assert ids(member) == ["o3"]


async def test_the_self_link_says_what_was_applied(fhir: httpx.AsyncClient) -> None:
    found = await fhir.get(
        "Observation?cod=x&code=1-1&patient=&_format=json",
        headers={"Prefer": "handling=lenient"},
    )
    bundle = found.json()
    parts = urlsplit(link(bundle, "self"))
    assert parse_qsl(parts.query) == [("code", "1-1"), ("_format", "json"), ("_count", "50")]
    assert ids(bundle) == ["o2", "o4", "o1"]
    (outcome,) = [e for e in bundle["entry"] if e["search"]["mode"] == "outcome"]
    assert outcome["resource"]["issue"][0]["severity"] == "warning"
    assert "cod" in outcome["resource"]["issue"][0]["diagnostics"]
    assert "fullUrl" not in outcome
    assert bundle["total"] == 3


@pytest.mark.parametrize(
    "query",
    [
        "Observation?cod=x",
        "Observation?code:wrong=x",
        "Observation?subject.nme=x",
        "Observation?date=yesterday",
        "Observation?date=gt",
        "Observation?value-quantity=heavy",
        "Observation?_sort=weight",
        "Observation?_count=-1",
        "Observation?_cursor=abc",
        "Observation?_include=Observation:nothing",
        "Observation?code:missing=maybe",
        "?birthdate=2000",
        "?_type=Patient,Observation&_sort=date",
        "Patient?_has:Observation:patient:nothing=1",
        "Patient?_query=x",
        "Patient?_list=$current-problems",
    ],
)
async def test_what_is_wrong_is_a_400_with_its_place(fhir: httpx.AsyncClient, query: str) -> None:
    outcome = await get(fhir, query, 400)
    assert outcome["issue"][0]["severity"] == "error"
    assert outcome["issue"][0]["diagnostics"]


async def test_unknown_types_in_a_system_search_are_told(fhir: httpx.AsyncClient) -> None:
    outcome = await get(fhir, "?_type=Pacient", 404)
    assert "Patient" in outcome["issue"][0]["diagnostics"]


async def test_totals(fhir: httpx.AsyncClient) -> None:
    assert "total" not in await get(fhir, "Observation?_count=2")  # not known without counting
    assert "total" not in await get(fhir, "Observation?_total=none")
    for total in ("accurate", "estimate"):
        all_pages = await pages(fhir, f"Observation?_count=2&_total={total}")
        assert [page["total"] for page in all_pages] == [5, 5, 5]
    for query in ("_count=0", "_summary=count", "_count=0&_total=none"):
        found = await get(fhir, f"Observation?code=1-1&{query}")
        assert found["total"] == 3
        assert "entry" not in found
        assert [one["relation"] for one in found["link"]] == ["self"]
    system = await get(fhir, "?_summary=count")
    assert system["total"] == len(RESOURCES)


async def test_includes_are_marked_and_not_counted(fhir: httpx.AsyncClient) -> None:
    found = await get(fhir, "Observation?code=1-1&_include=Observation:subject")
    assert ids(found) == ["o2", "o4", "o1"]
    assert sorted(ids(found, "include")) == ["a", "b"]
    assert found["total"] == 3
    narrowed = await get(fhir, "Observation?code=1-1&_include=Observation:subject:Group")
    assert ids(narrowed, "include") == []
    every = await get(fhir, "Observation?_id=o1&_include=*")
    assert ids(every, "include") == ["a"]
    back = await get(fhir, "Observation?patient=a&_revinclude=Provenance:target")
    assert ids(back, "include") == ["p1"]
    both = await get(fhir, "Patient?_id=b&_revinclude=Observation:subject&_revinclude=Group:*")
    assert sorted(ids(both, "include")) == ["o4", "o5", "team"]


async def test_iterate_goes_on_from_what_was_included(fhir: httpx.AsyncClient) -> None:
    once = await get(
        fhir, "Observation?_id=o1&_include=Observation:subject&_include=Patient:organization"
    )
    assert ids(once, "include") == ["a"]
    found = await get(
        fhir,
        "Observation?_id=o1&_include=Observation:subject"
        "&_include:iterate=Patient:organization"
        "&_include:iterate=Organization:partof"
        "&_revinclude:iterate=Observation:subject",
    )
    assert sorted(ids(found, "include")) == ["a", "g", "h", "o2", "o3"]


async def test_includes_hold_on_every_page_and_each_page_has_its_own(
    fhir: httpx.AsyncClient,
) -> None:
    all_pages = await pages(
        fhir, "Observation?_sort=_lastUpdated&_count=3&_include=Observation:subject"
    )
    assert [ids(page, "include") for page in all_pages] == [["a"], ["b"]]


async def test_summaries_and_elements_are_cut_on_every_page(fhir: httpx.AsyncClient) -> None:
    for page in await pages(fhir, "Observation?_elements=code&_count=2"):
        for entry in page["entry"]:
            resource = entry["resource"]
            assert "subject" not in resource
            assert resource["status"] == "final"  # mandatory
            assert resource["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert "tag" not in page.get("meta", {})
        assert "_elements=code" in link(page, "self")
    found = await get(fhir, "Patient?_summary=true&_id=a&_revinclude=Group:member")
    assert found["entry"][0]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    stored = (await fhir.get("Patient/a")).json()
    assert "tag" not in stored["meta"]
    included = await get(fhir, "Observation?_id=o1&_elements=code&_include=Observation:subject")
    (patient,) = [e["resource"] for e in included["entry"] if e["search"]["mode"] == "include"]
    assert patient["gender"] == "female"


async def test_a_cursor_is_of_no_use_for_another_query(fhir: httpx.AsyncClient) -> None:
    following = link(await get(fhir, "Observation?_count=2"), "next")
    assert ids(await get(fhir, following)) == ["o4", "o1"]
    await get(fhir, following.replace("_count=2", "_count=3"), 400)
    await get(fhir, following.replace("/Observation?", "/Patient?"), 400)
    await get(fhir, following[:-2] + "xx", 400)


async def test_full_urls_are_absolute_and_no_match_has_no_entry(fhir: httpx.AsyncClient) -> None:
    found = await get(fhir, "Patient?_id=a")
    assert found["entry"][0]["fullUrl"] == "http://127.0.0.1:8080/fhir/Patient/a"
    empty = await get(fhir, "Medication")
    assert empty["total"] == 0
    assert "entry" not in empty


async def test_ten_thousand_values_are_one_search(fhir: httpx.AsyncClient) -> None:
    many = ",".join(f"x{number}" for number in range(10_000))
    answer = await fhir.post("Observation/_search", data={"code": f"{many},2-2", "_count": "1"})
    assert ids(answer.json()) == ["o3"]


@pytest.mark.parametrize("value", [".*", "^", "$ne", '{"$gt":""}', "\\", "xq\\", "(", "\x01"])
async def test_signs_with_a_meaning_elsewhere_have_none_here(
    fhir: httpx.AsyncClient, value: str
) -> None:
    for name in ("name", "name:contains", "name:exact", "identifier", "_id", "organization.name"):
        answer = await fhir.get("Patient", params={name: value})
        assert answer.status_code in (200, 400), answer.text
        assert answer.status_code == 400 or answer.json()["total"] == 0
