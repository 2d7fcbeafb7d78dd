"""Which form a file or folder is of."""

from __future__ import annotations

from pathlib import Path

from fhir_server.errors import MalformedContent
from fhir_server.terminology.releases import Release, fhir_json, loinc, snomed, table

_FORMS = (
    "a FHIR CodeSystem (.json, .json.gz), a table (.csv), or the folder of a LOINC or SNOMED CT "
    "release"
)


def read(path: Path, system: str = "", version: str = "", name: str = "") -> Release:
    """The release at a path, told by what is there.

    Raises MalformedContent for what is none, or a table whose system is not named.
    """
    if not path.exists():
        raise MalformedContent(f"There is nothing at {path}")
    if path.is_dir():
        if loinc.is_release(path):
            return loinc.read(path, version)
        if snomed.is_release(path):
            return snomed.read(path, version)
        raise MalformedContent(f"{path} is no release that is known here; give {_FORMS}")
    if path.name.endswith((".json", ".json.gz")):
        return fhir_json.read(path)
    if path.suffix == ".csv":
        if not system:
            raise MalformedContent("A table does not say its code system: add --system URL")
        return table.read(path, system, version, name)
    raise MalformedContent(f"{path.name} is not read here; give {_FORMS}")
