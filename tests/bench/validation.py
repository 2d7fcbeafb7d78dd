"""What validation costs: `python -m tests.bench.validation [FOLDER OF BUNDLES]`.

Per resource, in microseconds, beside the cost of decoding it from JSON in the same run, which is
what every write pays anyway: its structure; what a write checks (invariants, extensions, required
bindings); everything that `$validate` tells; and that with a profile of ours beside it. Last the
99th percentile of everything below 10 KB. Without a folder: ../shared's Synthea.
"""

from __future__ import annotations

import gzip
import os
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


PROFILES = {
    "AllergyIntolerance": "allergyintolerance",
    "Condition": "condition",
    "DocumentReference": "documentreference",
    "Immunization": "immunization",
    "Observation": "observation-mesure",
    "Organization": "organization",
    "Patient": "patient",
    "Practitioner": "practitioner",
    "PractitionerRole": "practitionerrole",
}
BASE = "https://fhir-server.example.org/StructureDefinition/"
Row = tuple[bytes, dict[str, Any]]


def memory() -> float:
    """Megabytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else float("nan")


def table_row(label: str, rows: list[Row], validator: Validator) -> str:
    profile = PROFILES.get(label)
    asked = [BASE + profile] if profile else []
    decoded = statistics.median(best(partial(decode, b)) for b, _ in rows)
    structure = statistics.median(best(partial(validator.structure, r)) for _, r in rows)
    write = statistics.median(best(partial(validator.errors, r)) for _, r in rows)
    full = [best(partial(validator.validate, r)) for _, r in rows]
    small = [cost for cost, (b, _) in zip(full, rows, strict=True) if len(b) < 10_240]
    middle = statistics.median(full)
    with_profile = (
        statistics.median(best(partial(validator.validate, r, False, asked)) for _, r in rows)
        if asked
        else float("nan")
    )
    size = statistics.median(len(b) for b, _ in rows)
    return (
        f"{label:24}{len(rows):>7}{size:>7.0f}{decoded:>8.1f}{structure:>10.1f}{write:>8.1f}"
        f"{middle:>8.1f}{middle / decoded:>7.1f}{with_profile:>9.1f}{with_profile / middle:>7.2f}"
        f"{percentile(small, 0.99):>9.1f}"
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    begin = time.perf_counter()
    definitions = load()
    loaded = time.perf_counter()
    validator = Validator(definitions)
    validator.validate({"resourceType": "Patient", "gender": "male"})
    first = time.perf_counter()
    rows = [(ENCODER.encode(resource), resource) for resource in resources(folder)]
    before = memory()
    for url in validator.library.urls():
        validator.compiler.profile(url)
    for _, resource in rows:
        validator.validate(resource)
    print(
        f"definitions {(loaded - begin) * 1000:.0f} ms, first resource "
        f"{(first - loaded) * 1000:.0f} ms, all types and profiles in use "
        f"{memory() - before:.0f} MB"
    )
    print(
        f"{'':24}{'count':>7}{'bytes':>7}{'decode':>8}{'structure':>10}{'write':>8}{'full':>8}"
        f"{'ratio':>7}{'profile':>9}{'ratio':>7}{'p99':>9}"
    )
    print(table_row("all", rows, validator))
    for type_ in sorted({resource["resourceType"] for _, resource in rows}):
        print(table_row(type_, [r for r in rows if r[1]["resourceType"] == type_], validator))


if __name__ == "__main__":
    main()
