"""Makes `profiles/r4.archive` from the official R4 4.0.1 bundles.

    python -m fhir_server.validation.profiles.build_archive DIR [OUTPUT]

DIR holds `Bundle-*.json`, plain or `.zst`; inputs whose sums are not the official ones are refused,
and the same inputs give the same bytes. Narratives and mappings to other standards are left out.
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
from fhir_server.validation.profiles.library import ARCHIVE, folder

SUMS = {
    "Bundle-extensions": "c7d00de1c0efe5c34e704477f0105e9f2d9fff8c162be04aec8e69517936ce61",
    "Bundle-profiles-others": "37a663a5dabebbda8046092a1403ba3aa16ca39a6e2546ef8ae354877494e9fe",
    "Bundle-resources": "d062516a420265da6d248e1d2b5d2a4aa9709c3c637807fe48e278054dffa114",
    "Bundle-types": "13d3b9c75a23dd575b6c9cffa9fb5efce3871a4cc9bd8c92671ce1a50c19c064",
}


def build(source: Path) -> bytes:
    """The archive. Raises ValueError on an input that is not the official one."""
    return pack(
        _plain(one)
        for name, digest in SUMS.items()
        for one in _read(source, name, digest)
        if one["resourceType"] == "StructureDefinition"
    )


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
    """Without narrative, mappings, and `meta`, which the server sets itself."""
    kept = {k: v for k, v in resource.items() if k not in ("text", "meta", "mapping")}
    for view in ("snapshot", "differential"):
        if view in kept:
            elements = [
                {k: v for k, v in one.items() if k != "mapping"} for one in kept[view]["element"]
            ]
            kept[view] = {"element": elements}
    return kept


def main(arguments: list[str]) -> None:
    """Writes the archive into the profiles folder, or to the file named second."""
    target = Path(arguments[1]) if len(arguments) > 1 else folder() / ARCHIVE
    target.write_bytes(build(Path(arguments[0])))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
