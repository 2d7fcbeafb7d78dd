"""What validation costs: `python -m tests.bench.validation [FOLDER OF BUNDLES]`.

Prints median and 99th percentile of the structure per resource beside the cost of decoding the same
resource from JSON in the same run, which is what every write pays anyway; last the median with the
invariants. Without a folder: ../shared's Synthea.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.fhir.definitions import load
from fhir_server.validation import Validator

DEFAULT = Path(__file__).resolve().parents[3] / "shared/data/synthea"
DECODER = msgspec.json.Decoder(float_hook=Decimal)
ENCODER = msgspec.json.Encoder()


def resources(folder: Path) -> list[dict[str, Any]]:
    """The resources of all Bundles below a folder."""
    found = []
    for path in sorted(folder.glob("**/*.json*")):
        raw = path.read_bytes()
        bundle = decode(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        found += [entry["resource"] for entry in bundle["entry"]]
    return found


def decode(raw: bytes) -> Any:
    return DECODER.decode(raw)


def best(work: Callable[[], object]) -> float:
    """Microseconds of the fastest of three runs: what the code costs, not what the machine did."""
    runs = []
    for _ in range(3):
        begin = time.perf_counter_ns()
        work()
        runs.append(time.perf_counter_ns() - begin)
    return min(runs) / 1000


def table_row(label: str, rows: list[tuple[bytes, dict[str, Any]]], validator: Validator) -> str:
    checked = sorted(best(partial(validator.structure, r)) for _, r in rows)
    full = statistics.median(best(partial(validator.validate, r)) for _, r in rows)
    floor = statistics.median(best(partial(decode, b)) for b, _ in rows)
    middle = statistics.median(checked)
    return (
        f"{label:24}{len(rows):>8}{statistics.median(len(b) for b, _ in rows):>8.0f}"
        f"{middle:>10.1f}{checked[int(len(checked) * 0.99)]:>8.1f}{floor:>10.1f}"
        f"{middle / floor:>8.2f}{full:>10.1f}"
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    begin = time.perf_counter()
    definitions = load()
    loaded = time.perf_counter()
    validator = Validator(definitions)
    for type_ in definitions.resource_types:
        validator.structure({"resourceType": type_})
    compiled = time.perf_counter()
    print(f"definitions {(loaded - begin) * 1000:.0f} ms, all types {compiled - loaded:.3f} s")
    rows = [(ENCODER.encode(resource), resource) for resource in resources(folder)]
    columns = f"{'count':>8}{'bytes':>8}{'median us':>10}{'p99':>8}{'decode':>10}{'ratio':>8}"
    print(f"{'':24}{columns}{'full':>10}")
    print(table_row("all", rows, validator))
    print(table_row("1.3 to 1.7 KB", [r for r in rows if 1300 < len(r[0]) < 1700], validator))
    for type_ in sorted({resource["resourceType"] for _, resource in rows}):
        print(table_row(type_, [r for r in rows if r[1]["resourceType"] == type_], validator))


if __name__ == "__main__":
    main()
