"""What reading, stamping and trimming cost: `python -m tests.bench.codec [FOLDER OF BUNDLES]`.

Prints microseconds per resource, the median of each type's resources, and each beside the bare
decoding of the same bytes in the same run. Without a folder: ../shared's Synthea.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.fhir import bundle, codec, narrative, references, xml
from fhir_server.fhir.definitions import load
from fhir_server.fhir.subset import subset_bytes
from tests.bench.validation import DEFAULT, best, resources

MOST = 40
"""How many resources of each type are measured."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    rows: dict[str, list[bytes]] = defaultdict(list)
    for resource in resources(folder):
        if len(rows[resource["resourceType"]]) < MOST:
            rows[resource["resourceType"]].append(codec.encode(resource))
    bodies = [body for type_ in sorted(rows) for body in rows[type_]]
    print(f"{len(bodies)} resources, median {statistics.median(map(len, bodies)):.0f} bytes")
    bare = msgspec.json.Decoder()
    floor = measure(bare.decode, bodies)
    print(f"{'':28}{'us':>8}{'of bare':>9}")
    works: dict[str, Callable[[Any], object]] = {
        "bare decoding": bare.decode,
        "parse (checked)": codec.parse,
        "stamp": lambda body: codec.stamp(body, "Patient", "a", 1, 1_700_000_000_000_000),
        "entry of a searchset": partial(bundle.match_entry, "http://x/fhir/Patient/a"),
        "_elements=id": lambda body: subset_bytes(body, [("_elements", "id")], load()),
        "_summary=true": lambda body: subset_bytes(body, [("_summary", "true")], load()),
        "rewrite (nothing to do)": lambda body: references.rewrite(codec.value(body), stays),
        "to XML": lambda body: xml.to_xml(codec.value(body)),
    }
    for name, work in works.items():
        cost = measure(work, bodies)
        print(f"{name:28}{cost:>8.1f}{cost / floor:>9.1f}")
    documents = [xml.to_xml(codec.value(body)) for body in bodies]
    cost = measure(xml.from_xml, documents)
    print(f"{'from XML':28}{cost:>8.1f}{cost / floor:>9.1f}")
    texts = [codec.value(body).get("text", {}).get("div") for body in bodies]
    divs = [text for text in texts if text]
    if divs:
        print(f"{'narrative is clean':28}{measure(narrative.is_clean, divs):>8.1f}")


def stays(_text: str) -> None:
    """A mapping under which everything stays."""


def measure(work: Callable[[Any], object], values: Sequence[Any]) -> float:
    return statistics.median(best(partial(work, value)) for value in values)


if __name__ == "__main__":
    main()
