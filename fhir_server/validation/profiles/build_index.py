"""Makes `profiles/manifest.json` and `profiles/README.md` from what lies in the folder.

python -m fhir_server.validation.profiles.build_index
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from fhir_server.validation.profiles.library import ARCHIVE, folder

NOTICE = "HL7 FHIR R4 4.0.1, published under CC0 1.0; narratives and mappings left out."
HEAD = """# Profiles

What this server holds health records to, written for it: differentials on R4 with what must be
there, what must be supported, and rules in FHIRPath. Each has an example that conforms
(`examples/`) and ways to break it, each with the place and reason that validation must give
(`counter-examples/table.json`). The canonical base is `https://fhir-server.example.org`: a name,
not an address; it stays the same wherever the server runs. `r4.archive` has R4's own
StructureDefinitions, made by `python -m fhir_server.validation.profiles.build_archive`.

This page and `manifest.json` are made by `python -m fhir_server.validation.profiles.build_index`.

| Profile | On | What it is | Must support |
|---|---|---|---|
"""


def manifest(within: Path) -> bytes:
    """Name, version, licence and SHA-256 of each file that is needed at run time."""
    rows = []
    for path in sorted([*within.glob("*.json"), within / ARCHIVE]):
        if path.name == "manifest.json":
            continue
        raw = path.read_bytes()
        ours = path.suffix == ".json"
        resource = msgspec.json.decode(raw) if ours else {}
        rows.append(
            {
                "file": path.name,
                "name": resource.get("url", "hl7.fhir.r4 StructureDefinitions"),
                "version": resource.get("version", "4.0.1"),
                "licence": "Apache-2.0" if ours else "CC0-1.0",
                "notice": "" if ours else NOTICE,
                "sha256": hashlib.sha256(raw).hexdigest(),
            }
        )
    return msgspec.json.format(msgspec.json.encode({"files": rows}), indent=2) + b"\n"


def index(within: Path) -> str:
    """The page that lists the profiles."""
    rows = []
    for path in sorted(within.glob("StructureDefinition-*.json")):
        one = msgspec.json.decode(path.read_bytes())
        wanted = [
            element["id"].partition(".")[2]
            for element in one["differential"]["element"]
            if element.get("mustSupport")
        ]
        base = one["baseDefinition"].rpartition("/")[2]
        told = ", ".join(f"`{name}`" for name in wanted)
        rows.append(f"| [{one['id']}]({path.name}) | {base} | {one['description']} | {told} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    """Writes both files."""
    within = folder()
    (within / "manifest.json").write_bytes(manifest(within))
    (within / "README.md").write_text(index(within))


if __name__ == "__main__":
    main()
