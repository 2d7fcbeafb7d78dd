"""Makes `terminology/r4.archive` and `terminology/manifest.json` from the R4 4.0.1 bundles.

    python -m fhir_server.terminology.build_terminology DIR

DIR holds `Bundle-*.json`, plain or `.zst`; inputs whose sums are not the official ones are refused,
and the same inputs give the same bytes. Narratives are left out: they repeat what the elements say.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.fhir.archive import pack
from fhir_server.fhir.official_bundles import resources
from fhir_server.terminology.base import ARCHIVE, MANIFEST, folder

BUNDLES = (
    "Bundle-conceptmaps",
    "Bundle-resources",
    "Bundle-searchParams",
    "Bundle-v2-valuesets",
    "Bundle-v3-valuesets",
    "Bundle-valuesets",
)
TYPES = frozenset(
    (
        *("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem"),
        *("SearchParameter", "OperationDefinition", "CompartmentDefinition"),
    )
)
NOTICE = (
    "HL7 FHIR R4 4.0.1, published under CC0 1.0. Codes of LOINC, SNOMED CT and UCUM that its value "
    "sets cite remain under their owners' terms, as the element copyright of each set says."
)


def build(source: Path) -> bytes:
    """The archive. Raises ValueError on an input that is not the official one."""
    return pack(_plain(one) for one in resources(source, *BUNDLES) if one["resourceType"] in TYPES)


def manifest(within: Path) -> bytes:
    """What lies in the folder: name, version, licence and SHA-256 of each file."""
    rows = []
    for path in sorted(within.glob("*")):
        if path.name == MANIFEST:
            continue
        raw = path.read_bytes()
        ours = path.name != ARCHIVE
        resource = msgspec.json.decode(raw) if ours else {}
        rows.append(
            {
                "file": path.name,
                "name": resource.get("url", "hl7.fhir.r4 terminology"),
                "version": resource.get("version", "4.0.1"),
                "licence": "Apache-2.0" if ours else "CC0-1.0",
                "notice": resource.get("copyright", "") if ours else NOTICE,
                "sha256": hashlib.sha256(raw).hexdigest(),
            }
        )
    return msgspec.json.format(msgspec.json.encode({"files": rows}), indent=2) + b"\n"


def _plain(resource: dict[str, Any]) -> dict[str, Any]:
    """Without narrative, and without `meta`, which the server sets itself."""
    return {name: value for name, value in resource.items() if name not in ("text", "meta")}


def main(arguments: list[str]) -> None:
    """Writes archive and manifest into the terminology folder, or the one named second."""
    target = Path(arguments[1]) if len(arguments) > 1 else folder()
    (target / ARCHIVE).write_bytes(build(Path(arguments[0])))
    (target / MANIFEST).write_bytes(manifest(target))
    print(f"{target / ARCHIVE}: {(target / ARCHIVE).stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
