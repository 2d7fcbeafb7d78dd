"""Loaded code systems: seen when they are whole, asked by every operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_server.errors import Unprocessable
from fhir_server.store.concepts import Concepts
from fhir_server.terminology.code_system import Filter, Head, Query
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.memory import MemoryCodeSystem
from fhir_server.terminology.releases import Release
from fhir_server.terminology.releases.kinds import read
from tests.unit.terminology import releases

URL = "http://example.org/things"


def nothing(done: int, total: int) -> None:
    pass


def release(*concepts: Concept, version: str = "1", case_sensitive: bool = True) -> Release:
    parents = {one.code: one.parents for one in concepts if one.parents}
    properties = {one.code: "string" for concept in concepts for one in concept.properties}
    head = Head(
        URL, version, "Things", case_sensitive=case_sensitive, hierarchy="is-a",
        properties=properties,
    )  # fmt: skip
    return Release(head, lambda: iter(concepts), len(concepts), parents)


def colour(value: str) -> Property:
    return Property("colour", "valueString", value)


THINGS = (
    Concept("T", "Thing", properties=(Property("notSelectable", "valueBoolean", True),)),
    Concept("W", "Widget", "Does things.", ("T",), (colour("red"),)),
    Concept("W.1", "Small widget", "", ("W",), (colour("red"), colour("blue"))),
    Concept("W.2", "Éclair (widget)", "", ("W", "G"), designations=(Designation("Truc", "fr"),)),
    Concept("G", "Gadget", "", ("T",), (Property("inactive", "valueBoolean", True),)),
)

FILTERS = [
    ("concept", "is-a", "W"),
    ("concept", "is-a", "none"),
    ("concept", "descendent-of", "W"),
    ("concept", "is-not-a", "W"),
    ("concept", "generalizes", "W.2"),
    ("concept", "generalizes", "none"),
    ("concept", "in", "W,G"),
    ("concept", "not-in", "W, G"),
    ("code", "=", "W"),
    ("code", "regex", r"W\..*"),
    ("code", "regex", "W."),
    ("display", "=", "Gadget"),
    ("display", "regex", ".*widget.*"),
    ("display", "exists", "true"),
    ("definition", "exists", "true"),
    ("definition", "exists", "false"),
    ("colour", "=", "red"),
    ("colour", "in", "blue,green"),
    ("colour", "not-in", "blue"),
    ("colour", "exists", "true"),
    ("colour", "exists", "false"),
    ("colour", "regex", "(red|green)"),
    ("parent", "=", "W"),
    ("parent", "exists", "false"),
    ("child", "=", "W.2"),
    ("designation", "=", "Truc"),
    ("designation", "exists", "true"),
    ("notSelectable", "=", "true"),
    ("notSelectable", "=", "false"),
    ("inactive", "=", "false"),
]


@pytest.mark.parametrize("one", FILTERS, ids=" ".join)
async def test_a_filter_finds_what_it_finds_in_memory(store, one):
    concepts = Concepts(store.database)
    stored = concepts.open(await concepts.load(release(*THINGS), nothing))
    memory = MemoryCodeSystem(
        {
            "url": URL,
            "property": [{"code": "colour"}, {"code": "notSelectable"}],
            "concept": [
                {
                    "code": concept.code,
                    "display": concept.display,
                    **({"definition": concept.definition} if concept.definition else {}),
                    "property": [
                        {"code": p.code, p.kind: p.value}
                        for p in (
                            *concept.properties,
                            *(Property("parent", "valueCode", code) for code in concept.parents),
                        )
                    ],
                    "designation": [
                        {"language": d.language, "value": d.value} for d in concept.designations
                    ],
                }
                for concept in THINGS
            ],
        }
    )
    query = Query((Filter(*one),))
    found = [concept.code async for concept in stored.select(query)]
    assert sorted(found) == sorted([concept.code async for concept in memory.select(query)])
    assert await stored.count(query, 100) == len(found)
    assert await memory.count(query, 100) == len(found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("widg",), ["W", "W.1", "W.2"]),
        (("small", "wid"), ["W.1"]),
        (("eclair",), ["W.2"]),
        (("truc",), ["W.2"]),
        (("w", "1"), ["W.1"]),
        ((".*",), []),
        (("idget",), []),
    ],
)
async def test_words_are_beginnings_of_words(store, words, found):
    concepts = Concepts(store.database)
    stored = concepts.open(await concepts.load(release(*THINGS), nothing))
    assert sorted([one.code async for one in stored.select(Query(words=words))]) == found


async def test_pages_follow_one_another(store):
    concepts = Concepts(store.database)
    many = [Concept(f"{number:03}", f"Widget {number}") for number in range(50)]
    stored = concepts.open(await concepts.load(release(*many), nothing))
    for words in ((), ("widget",)):
        paged = [
            one.code
            for skip in range(0, 50, 7)
            for one in [x async for x in stored.select(Query(words=words, skip=skip, limit=7))]
        ]
        assert sorted(paged) == [one.code for one in many]


async def test_a_load_takes_the_place_of_the_same_version_when_it_is_whole(store):
    concepts = Concepts(store.database)
    await concepts.load(release(*THINGS), nothing)
    await concepts.load(release(Concept("x"), version="2"), nothing)

    def broken() -> Iterator[Concept]:
        yield from (Concept(str(number)) for number in range(3_000))
        raise Unprocessable("no more")

    half = Release(release().head, broken, 3_000)
    with pytest.raises(Unprocessable):
        await concepts.load(half, nothing)
    assert sorted((one.head.version, one.count) for one in await concepts.systems(URL)) == [
        ("1", 5),
        ("2", 1),
    ]
    await concepts.load(release(Concept("y")), nothing)
    found = {one.head.version: one for one in await concepts.systems(URL)}
    assert found["1"].count == 1
    assert await concepts.open(found["1"]).find(("W",)) == {}
    assert await store.database["concepts"].count_documents({}) == 2  # nothing is left of others
    assert await concepts.remove(URL, "2")
    assert not await concepts.remove(URL, "2")


async def test_case_counts_only_where_the_system_says_so(store):
    concepts = Concepts(store.database)
    strict = concepts.open(await concepts.load(release(*THINGS), nothing))
    assert await strict.find(("w",)) == {}
    loaded = await concepts.load(release(*THINGS, version="2", case_sensitive=False), nothing)
    assert (await concepts.open(loaded).find(("w",)))["w"].code == "W"


@pytest.mark.parametrize("make", [releases.loinc, releases.snomed, releases.fhir])
async def test_releases_load_with_progress(store, tmp_path, make):
    told: list[tuple[int, int]] = []
    found = await Concepts(store.database).load(
        read(make(tmp_path)), lambda done, total: told.append((done, total))
    )
    assert told[-1] == (found.count, found.count)


async def test_ancestors_and_children_are_known(store):
    concepts = Concepts(store.database)
    stored = concepts.open(await concepts.load(release(*THINGS), nothing))
    concept = (await stored.find(("W.2",)))["W.2"]
    assert await stored.ancestors(concept) == {"W", "G", "T"}
    assert await stored.children("W") == ["W.1", "W.2"]
    assert concept.designations == (Designation("Truc", "fr", None),)


@pytest.mark.parametrize(
    "one",
    [
        ("concept", "like", "x"),
        ("flavour", "=", "x"),
        ("colour", "is-a", "x"),
        ("code", "regex", "("),
    ],
    ids=" ".join,
)
async def test_what_is_no_filter_is_refused(store, one):
    concepts = Concepts(store.database)
    stored = concepts.open(await concepts.load(release(*THINGS), nothing))
    with pytest.raises(Unprocessable):
        await stored.count(Query((Filter(*one),)), 10)
