"""What the search keys cost: `python -m tests.bench.keys [FOLDER OF BUNDLES]`.

Prints, per type, the median time of all keys of a resource beside the cost of decoding the same
resource from JSON in the same run, and how many keys and bytes they are beside the resource's own.
"""

from __future__ import annotations

import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

from fhir_server.fhir.definitions import load
from fhir_server.search.index import Indexer
from fhir_server.search.registry import Registry
from tests.bench.validation import DEFAULT, ENCODER, best, decode, resources

MOST = 300
"""Resources of one type that are measured."""


def table_row(label: str, rows: list[dict[str, Any]], indexer: Indexer) -> str:
    bodies = [ENCODER.encode(row) for row in rows]
    indexing = statistics.median(best(partial(indexer, row)) for row in rows)
    floor = statistics.median(best(partial(decode, body)) for body in bodies)
    keys = [indexer(row) for row in rows]
    size = statistics.mean(
        sum(map(len, one.k)) + sum(len(key) + 16 for key, *_ in one.r) for one in keys
    )
    own = statistics.mean(map(len, bodies))
    return (
        f"{label:24}{len(rows):>8}{own:>8.0f}{indexing:>10.1f}{floor:>10.1f}"
        f"{indexing / floor:>8.2f}{statistics.mean(len(one.k) for one in keys):>8.1f}"
        f"{statistics.mean(len(one.r) for one in keys):>8.1f}{size / own:>8.2f}"
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    definitions = load()
    indexer = Indexer(definitions, Registry(definitions), "http://server.example/fhir")
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in resources(folder):
        by_type.setdefault(resource["resourceType"], []).append(resource)
    print(
        f"{'type':24}{'count':>8}{'bytes':>8}{'keys us':>10}{'decode us':>10}{'ratio':>8}"
        f"{'k':>8}{'r':>8}{'size':>8}"
    )
    for type_, rows in sorted(by_type.items()):
        print(table_row(type_, rows[:MOST], indexer))
    print(table_row("all", [row for rows in by_type.values() for row in rows[:MOST]], indexer))


if __name__ == "__main__":
    main()
