"""Random searches on real records: the server finds what a plain reading of the text finds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fhir_server.fhir import definitions
from fhir_server.interactions import walk
from fhir_server.search import direction
from tests.spec.search.data import records
from tests.spec.search.front_door import BASE, FrontDoor, front_door
from tests.spec.search.queries import Maker, Query
from tests.spec.search.reference import Reference, Refused

pytestmark = pytest.mark.oracles


class Side:
    """A server filled with the records, and the plain reading of the same."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        every = records()
        faults = door.fill(every)
        pages = door.pages("?_count=1000")
        stored = [entry["resource"] for page in pages for entry in page["entry"]]
        assert len(stored) + len(faults) == len(every)
        self.reference = Reference(definitions.load(), stored, BASE, time.time_ns() // 1000)
        self.maker = Maker(self.reference)

    def compare(self, query: Query, *, total: bool = True) -> None:
        """Raise AssertionError where the two differ; with `total` also on how many there are."""
        try:
            expected = self.reference.search(query.type, query.pairs)
        except Refused:
            answer = self._door.ask("GET", f"{query.type}?{urlencode(query.pairs)}")
            assert answer.status_code == 400, f"{query} must be refused: {answer.text[:300]}"
            return
        except NotImplementedError:
            return
        size = min(1000, max(1, -(-len(expected) // query.pages)))
        pairs = [*query.pairs, ("_count", str(size))]
        if total:
            pairs.append(("_total", "accurate"))
        if query.sort:
            pairs.append(("_sort", query.sort))
        found, said = self._pages(f"{query.type}?{urlencode(pairs)}")
        assert len(found) == len(set(found)), f"{query} repeats"
        assert set(found) == expected, (
            f"{query}\n too many: {sorted(set(found) - expected)[:5]} "
            f"missing: {sorted(expected - set(found))[:5]}"
        )
        if total or said is not None:
            assert said == len(expected), f"{query} total {said}"
        if query.sort:
            self._compare_order(query, found)

    def _compare_order(self, query: Query, found: list[str]) -> None:
        code, descending = query.sort.removeprefix("-"), query.sort[0] == "-"
        keys = [self.reference.order(query.type, code, descending, id_) for id_ in found]
        known = [key for key in keys if key is not None]
        assert keys == [*known, *[None] * (len(keys) - len(known))], f"{query}: gaps come last"
        assert known == sorted(known, reverse=descending), f"{query}: {keys[:20]}"

    def _pages(self, url: str) -> tuple[list[str], int | None]:
        found: list[str] = []
        total = None
        while url:
            answer = self._door.ask("GET", url)
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
    with front_door(mongodb, "test_search_differential") as door:
        yield Side(door)


SEEDS = st.integers(0, 2**32)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@seed(4)
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET, database=None)
@given(number=SEEDS)
def test_the_server_finds_what_the_text_says(side: Side, number: int) -> None:
    side.compare(side.maker.query(number))


def from_near(patch: pytest.MonkeyPatch) -> None:
    """Ask chains of the rows wherever they may be, in small lots."""
    patch.setattr(direction, "FEW", 0)
    patch.setattr(direction, "MANY", 0)
    patch.setattr(walk, "FIRST_LOT", 10)
    patch.setattr(walk, "MOST_WALKED", 1_000_000)


@seed(5)
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET, database=None)
@given(number=SEEDS)
def test_chains_asked_of_the_rows_find_the_same(side: Side, number: int) -> None:
    queries = (side.maker.query(one) for one in count(number))
    with pytest.MonkeyPatch.context() as patch:
        from_near(patch)
        side.compare(next(filter(is_linked, queries)), total=False)


def is_linked(query: Query) -> bool:
    """Whether the query has a chain in it."""
    return any("." in name or name.startswith("_has") for name, _ in query.pairs)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None, suppress_health_check=QUIET, database=None)
@given(number=SEEDS)
def test_twenty_thousand_searches(side: Side, number: int) -> None:
    side.compare(side.maker.query(number))
