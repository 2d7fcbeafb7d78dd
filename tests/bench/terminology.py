"""400,000 concepts of our own making: loading them, and the two questions that must be quick.

    python -m tests.bench.terminology [CONCEPTS]

Prints the median and the slowest of each question, asked through the whole server in process, and
their ratio to the bare driver reading one document of the same database.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx

from fhir_server.app import create_app, open_services
from fhir_server.settings import Settings
from fhir_server.store import migrations
from fhir_server.terminology.code_system import Head
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.releases import Release
from tests.mongod import mongod

URL = "http://example.org/large"
ROUNDS = 200
_SYLLABLES = ("ba", "co", "di", "fu", "ge", "ha", "li", "mo", "nu", "pe", "ra", "si", "to", "va")


def release(size: int) -> Release:
    """A tree of concepts with twenty below each, and names of three made-up words."""
    words = _words(5_000)

    def concepts() -> Iterator[Concept]:
        dice = random.Random(7)
        for number in range(size):
            name = " ".join(dice.choices(words, k=3))
            yield Concept(
                str(number),
                name.capitalize(),
                parents=(str(number // 20),) if number else (),
                properties=(Property("class", "valueString", words[number % 50]),),
                designations=(Designation(" ".join(dice.choices(words, k=2)), "fr"),),
            )

    parents = {str(number): (str(number // 20),) for number in range(1, size)}
    head = Head(URL, "1", "Large", hierarchy="is-a", properties={"class": "string"})
    return Release(head, concepts, size, parents)


def _words(count: int) -> list[str]:
    dice = random.Random(3)
    return ["".join(dice.choices(_SYLLABLES, k=dice.randint(2, 5))) for _ in range(count)]


async def _measure(call: Callable[[int], Awaitable[Any]]) -> tuple[float, float]:
    """Median and slowest of `ROUNDS` calls, in milliseconds."""
    taken = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await call(number)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), max(taken)


async def _run(settings: Settings, size: int) -> None:
    async with open_services(settings) as services:
        start = time.perf_counter()
        await services.terminology.concepts.load(release(size), lambda done, total: None)
        seconds = time.perf_counter() - start
        print(f"load {size:,} concepts: {seconds:.1f} s, {size / seconds:,.0f}/s")
    dice = random.Random(11)
    words = _words(5_000)
    whole = f"{URL}?fhir_vs"
    below = f"{URL}?fhir_vs=isa/7"
    questions = {
        "validate-code in the code system": lambda n: (
            f"CodeSystem/$validate-code?url={URL}&code={dice.randrange(size)}"
        ),
        "validate-code in all of it": lambda n: (
            f"ValueSet/$validate-code?url={whole}&system={URL}&code={dice.randrange(size)}"
        ),
        "validate-code below a concept": lambda n: (
            f"ValueSet/$validate-code?url={below}&system={URL}&code={dice.randrange(size)}"
        ),
        "expand by a word": lambda n: (
            f"ValueSet/$expand?url={whole}&filter={dice.choice(words)}&count=20"
        ),
        "expand by three letters": lambda n: (
            f"ValueSet/$expand?url={whole}&filter={dice.choice(words)[:3]}&count=20"
        ),
        "expand by two words": lambda n: (
            f"ValueSet/$expand?url={whole}"
            f"&filter={dice.choice(words)[:4]}%20{dice.choice(words)[:4]}&count=20"
        ),
        "expand by a word, below a concept": lambda n: (
            f"ValueSet/$expand?url={below}&filter={dice.choice(words)}&count=20"
        ),
    }
    server = create_app(settings)
    async with server.opened():
        transport = httpx.ASGITransport(server, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url=f"{settings.base}/", timeout=60
        ) as client:
            database = server._fhir._services.store.database  # type: ignore[union-attr]

            async def bare(number: int) -> None:
                await database["concepts"].find_one({"d": {"$exists": True}})

            floor, slowest = await _measure(bare)
            print(f"{'one document by the bare driver':36} {floor:7.2f} ms {slowest:8.2f} ms")
            for name, question in questions.items():

                async def ask(number: int, question: Callable[[int], str] = question) -> None:
                    answer = await client.get(question(number))
                    assert answer.status_code == 200, answer.text

                median, slowest = await _measure(ask)
                print(f"{name:36} {median:7.2f} ms {slowest:8.2f} ms   x{median / floor:.1f}")


def main() -> None:
    """Load and ask, on a database of its own that is removed afterwards."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    with mongod() as uri:
        migrations.migrate(uri, "bench")
        settings = Settings(mongodb_uri=uri, mongodb_database="bench", access="open")
        asyncio.run(_run(settings, size))


if __name__ == "__main__":
    main()
