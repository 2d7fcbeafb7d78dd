"""Makes `profiles/r4.archive` from the official R4 4.0.1 bundles.

    python -m fhir_server.validation.profiles.build_archive DIR [OUTPUT]

DIR holds `Bundle-*.json`, plain or `.zst`; inputs whose sums are not the official ones are refused,
and the same inputs give the same bytes. Narratives and mappings to other standards are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fhir_server.fhir.archive import pack
from fhir_server.fhir.official_bundles import resources
from fhir_server.validation.profiles.library import ARCHIVE, folder

BUNDLES = (
    "Bundle-extensions",
    "Bundle-profiles-others",
    "Bundle-resources",
    "Bundle-types",
)


def build(source: Path) -> bytes:
    """The archive. Raises ValueError on an input that is not the official one."""
    return pack(
        _plain(one)
        for one in resources(source, *BUNDLES)
        if one["resourceType"] == "StructureDefinition"
    )


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
