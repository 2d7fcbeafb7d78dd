"""Searches at scale: `python -m tests.bench.search --size 100k [--keep FOLDER]`.

Makes that many Observations (100 of each patient) through the real indexer, straight into the
store, then prints for each kind of search the median and the 99th percentile of the first page of
20 through the front door (one caller, values drawn anew each time), and what MongoDB examined for
the page. With `--keep` the filled database stays in the folder and is used again.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_server.access.grant import Grant
from fhir_server.app import create_app, open_services
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec, definitions
from fhir_server.interactions.searchset import Scope, compile_queries
from fhir_server.search.index import Indexer
from fhir_server.search.keyset import stretches
from fhir_server.search.registry import Registry
from fhir_server.search.request import parse
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.store import embedded, migrations
from fhir_server.store.resources import PageQuery, Version
from fhir_server.store.version import current_document
from tests.bench.data import observation, patient

DATABASE = "bench_search"
EACH = 100
LOT = 1_000
PROCESSES = 2
ROWS = 20
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
CODES = [f"{1000 + at}-{at % 10}" for at in range(40)]
PANEL = "85354-9"
CATEGORIES = ("vital-signs", "laboratory", "survey")
EPOCH = 1_700_000_000_000_000

Make = Callable[[random.Random, int], str]


@dataclass(frozen=True)
class Case:
    """A kind of search; `fused` ones may examine 3 keys for each row at most."""

    name: str
    make: Make
    fused: bool = True


def _month(chance: random.Random) -> str:
    return f"{chance.randint(2016, 2025)}-{chance.randint(1, 12):02}"


def _code(chance: random.Random) -> str:
    return f"http://loinc.org|{chance.choice(CODES)}"


def _person(chance: random.Random, people: int) -> str:
    return f"p{chance.randrange(people)}"


CASES = [
    Case("code+date", lambda c, n: f"Observation?code={_code(c)}&date=ge{_month(c)}"),
    Case(
        "code+value-quantity",
        lambda c, n: (
            f"Observation?code={_code(c)}&value-quantity=gt{c.randint(50, 150)}"
            "|http://unitsofmeasure.org|kg"
        ),
    ),
    Case(
        "category+date",
        lambda c, n: f"Observation?category={c.choice(CATEGORIES)}&date={_month(c)}",
    ),
    Case("patient+code", lambda c, n: f"Observation?patient={_person(c, n)}&code={_code(c)}"),
    Case(
        "patient+code+date",
        lambda c, n: f"Observation?patient={_person(c, n)}&code={_code(c)}&date=ge{_month(c)}",
    ),
    Case("code+_sort=-date", lambda c, n: f"Observation?code={_code(c)}&_sort=-date"),
    Case(
        "composite",
        lambda c, n: (
            f"Observation?code-value-quantity={_code(c)}$lt{c.randint(50, 150)}"
            "|http://unitsofmeasure.org|kg"
        ),
    ),
    Case(
        "component composite",
        lambda c, n: (
            "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt"
            f"{c.randint(100, 170)}||mm[Hg]"
        ),
    ),
    Case(
        "chain patient.birthdate",
        lambda c, n: (
            f"Observation?code={_code(c)}&patient.birthdate="
            f"{c.randint(1930, 2009)}-{c.randint(1, 12):02}"
        ),
        fused=False,
    ),
    Case(
        "_has",
        lambda c, n: (
            f"Patient?_has:Observation:patient:code={_code(c)}&birthdate={c.randint(1930, 2009)}"
        ),
        fused=False,
    ),
]


def resources(number: int) -> Iterator[dict[str, Any]]:
    """A patient and their Observations; one in ten is a blood pressure with components."""
    chance = random.Random(number)
    yield patient(number)
    for index in range(EACH):
        code = chance.choice(CODES)
        found = observation(chance, f"Patient/p{number}", code)
        found["id"] = f"o{number}-{index}"
        category = chance.choices(CATEGORIES, (12, 7, 1))[0]
        found["category"][0]["coding"][0]["code"] = category
        if index % 10 == 0:
            del found["valueQuantity"]
            found["code"] = {"coding": [{"system": "http://loinc.org", "code": PANEL}]}
            found["component"] = [
                _pressure("8480-6", chance.randint(90, 180)),
                _pressure("8462-4", chance.randint(50, 110)),
            ]
        yield found


def _pressure(code: str, value: int) -> dict[str, Any]:
    unit = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, **unit},
    }


def fill(uri: str, first: int, after: int) -> None:
    """Store the patients from `first` to before `after` with all that they have."""
    loaded = definitions.load()
    indexer = Indexer(loaded, Registry(loaded), "http://127.0.0.1:8080/fhir")
    lots: dict[str, list[dict[str, Any]]] = {}
    with MongoClient[dict[str, Any]](uri) as client:
        database = client[DATABASE]

        def write(type_: str) -> None:
            database[type_].insert_many(lots.pop(type_), ordered=False)

        updated = EPOCH + first * (EACH + 1) * 1_000
        for number in range(first, after):
            for resource in resources(number):
                updated += 1_000
                type_, id_ = resource["resourceType"], resource["id"]
                raw = codec.stamp(codec.encode(resource), type_, id_, 1, updated)
                version = Version(type_, id_, 1, updated, raw, "PUT", indexer(resource))
                lots.setdefault(type_, []).append(current_document(version))
                if len(lots[type_]) == LOT:
                    write(type_)
        for type_ in list(lots):
            write(type_)


async def prepare(settings: Settings) -> None:
    """The collections with their indexes."""
    async with open_services(settings) as services:
        await services.store.collections.ensure(["Patient", "Observation"])


def load(uri: str, settings: Settings, people: int) -> None:
    """Store everything by a few processes."""
    migrations.migrate(uri, DATABASE)
    asyncio.run(prepare(settings))
    began = time.perf_counter()
    step = -(-people // (PROCESSES * 4))
    parts = [(uri, at, min(people, at + step)) for at in range(0, people, step)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.starmap(fill, parts, chunksize=1)
    seconds = time.perf_counter() - began
    total = people * (EACH + 1)
    print(f"stored {total:,} resources in {seconds:,.0f} s, {total / seconds:,.0f}/s")


async def examined(url: str, services: Services) -> tuple[int, int]:
    """Keys examined for the first page, and its rows."""
    type_, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in query.split("&"))]
    asked = parse((type_,), pairs, services.registry)
    request = FhirRequest("GET", type_, Grant.open(), services.settings.base)
    (found,) = await compile_queries(Scope((type_,), ""), asked, request, services)
    assert found.order is not None
    part = stretches(found.filter, found.order, None, backwards=False, merged=found.merged)[0]
    told = await services.store.explain(
        PageQuery(type_, part.filter, tuple(part.sort.items()), ROWS), request.grant
    )
    return told["keys"], told["returned"]


async def measure(settings: Settings, people: int, calls: int) -> None:
    """Run all cases and print a line for each."""
    app = create_app(settings)
    print(f"{'search':26}{'median':>10}{'p99':>10}{'keys':>8}{'rows':>6}{'keys/row':>10}")
    async with app.opened(), open_services(settings) as services:
        transport = httpx.ASGITransport(app)
        base = "http://127.0.0.1:8080/fhir/"
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=600) as client:
            for case in CASES:
                chance = random.Random(case.name)
                for _ in range(10):
                    await client.get(f"{case.make(chance, people)}&_count={ROWS}")
                times = []
                for _ in range(calls):
                    url = f"{case.make(chance, people)}&_count={ROWS}"
                    began = time.perf_counter()
                    answer = await client.get(url)
                    times.append(1000 * (time.perf_counter() - began))
                    assert answer.status_code == 200, answer.text
                    if sum(times) > 60_000:
                        break
                keys = rows = 0
                for _ in range(10):
                    more = await examined(case.make(chance, people), services)
                    keys, rows = keys + more[0], rows + more[1]
                median = statistics.median(times)
                p99 = sorted(times)[math.ceil(0.99 * len(times)) - 1]
                ratio = keys / max(rows, 1)
                missed = [
                    text
                    for text, bad in (
                        ("median", median > 20),
                        ("p99", p99 > 100),
                        ("keys", case.fused and ratio > 3),
                    )
                    if bad
                ]
                print(
                    f"{case.name:26}{median:7.1f} ms{p99:7.1f} ms{keys / 10:8.0f}{rows / 10:6.0f}"
                    f"{ratio:10.1f}  {'MISSED: ' + ', '.join(missed) if missed else ''}",
                    flush=True,
                )


def main() -> None:
    """Start a database, fill it if need be, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="10k")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    people = SIZES[options.size] // EACH
    folder = options.keep or Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = embedded.start(folder, cache_gb=3.0)
    try:
        settings = Settings(
            mongodb_uri=server.uri, mongodb_database=DATABASE, access="open", base_definitions=False
        )
        with MongoClient[dict[str, Any]](server.uri) as client:
            known = client[DATABASE]["Patient"].estimated_document_count()
        if known != people:
            if known:
                raise SystemExit(f"{folder} has {known} patients, not {people}")
            load(server.uri, settings, people)
        print(f"{people * EACH:,} Observations of {people:,} patients")
        asyncio.run(measure(settings, people, options.calls))
    finally:
        server.stop()
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
