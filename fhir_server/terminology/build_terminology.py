"""Makes `terminology/r4.archive` and `terminology/manifest.json` from the R4 4.0.1 bundles.

    python -m fhir_server.terminology.build_terminology DIR

DIR holds `Bundle-*.json`, plain or `.zst`; inputs whose sums are not the official ones are refused,
and the same inputs give the same bytes. Narratives are left out: they repeat what the elements say.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from fhir_server.fhir.archive import pack
from fhir_server.terminology.base import ARCHIVE, MANIFEST, folder

SUMS = {
    "Bundle-conceptmaps": "3b6a7e9f2a8e2d13fc1ffa1524ede726e8f9122d90fa8e4918de0b1f194d8048",
    "Bundle-resources": "d062516a420265da6d248e1d2b5d2a4aa9709c3c637807fe48e278054dffa114",
    "Bundle-searchParams": "dc5927e3781a5aba26c08821904c4091664b3a40171aba9b01e563e9f7ca85df",
    "Bundle-v2-valuesets": "d180cc829f2a95950664d918d1ed9b2a7e9a7423e3f3957e294c3375f146fc00",
    "Bundle-v3-valuesets": "b9e75b6586b61843042e543280a91adc1bdd4d8a2df3427e30fa5f404b004646",
    "Bundle-valuesets": "8d8fd0894624163296aa84e93c47cbead9b805fd83ec22ac71d45b7e25a86758",
}
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
    return pack(
        plain
        for name, digest in SUMS.items()
        for plain in (_plain(one) for one in _read(source, name, digest))
        if plain["resourceType"] in TYPES
    )


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


def _read(source: Path, name: str, digest: str) -> Iterator[dict[str, Any]]:
    packed = source / f"{name}.json.zst"
    if packed.exists():
        raw = zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read()
    else:
        raw = (source / f"{name}.json").read_bytes()
    if hashlib.sha256(raw).hexdigest() != digest:
        raise ValueError(f"{name}.json is not the file of R4 4.0.1: its SHA-256 is not {digest}")
    for entry in msgspec.json.decode(raw)["entry"]:
        yield entry["resource"]


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
