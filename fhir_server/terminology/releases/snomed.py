"""The folder of a SNOMED CT release in RF2: the snapshot's concepts, descriptions, relationships.

https://confluence.ihtsdotools.org/display/DOCRELFMT
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from fhir_server.errors import MalformedContent
from fhir_server.terminology.code_system import Head
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.releases import Release

URL = "http://snomed.info/sct"
IS_A = "116680003"
FULL_NAME = "900000000000003001"
PREFERRED = "900000000000548007"
DEFINED = "900000000000073002"
CORE = "900000000000207008"

_FULL_NAME_USE = {
    "system": URL,
    "code": FULL_NAME,
    "display": "Fully specified name",
}
_TAG = re.compile(r" \([^()]+\)$")
_DATE = re.compile(r"_(\d{8})\.txt$")


def is_release(folder: Path) -> bool:
    """Whether the folder is one of SNOMED CT."""
    return bool(_files(folder, "Concept"))


def read(folder: Path, version: str = "") -> Release:
    """The release in a folder. The version is the edition's URI with the date of the files."""
    concepts = _files(folder, "Concept")
    if not concepts:
        raise MalformedContent(f"{folder.name} has no Snapshot/Terminology/sct2_Concept file")
    known: dict[str, tuple[bool, str]] = {}
    for row in _rows(concepts):
        known[row["id"]] = (row["active"] == "1", row["definitionStatusId"])
    parents = _parents(folder)
    names = _names(folder)
    preferred = _preferred(folder)

    def each() -> Iterator[Concept]:
        for code, (active, definition) in known.items():
            properties = (
                Property("inactive", "valueBoolean", not active),
                Property("sufficientlyDefined", "valueBoolean", definition == DEFINED),
            )
            display, designations = _said(names.get(code, []), preferred)
            above = parents.get(code, ())
            yield Concept(code, display, "", above, properties, designations)

    head = Head(
        URL,
        version or _version(concepts[0]),
        "SNOMED_CT",
        "SNOMED CT",
        "en",
        hierarchy="is-a",
        properties={"inactive": "boolean", "sufficientlyDefined": "boolean"},
    )
    return Release(head, each, len(known), parents)


Name = tuple[str, str, str, str]
"""Id of the description, type, language, term."""


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*sct2_{kind}_*.txt") if "Snapshot" in path.name)


def _rows(paths: list[Path]) -> Iterator[dict[str, str]]:
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _parents(folder: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row in _rows(_files(folder, "Relationship")):
        if row["active"] == "1" and row["typeId"] == IS_A:
            above = found.setdefault(row["sourceId"], [])
            if row["destinationId"] not in above:
                above.append(row["destinationId"])
    return {code: tuple(above) for code, above in found.items()}


def _names(folder: Path) -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {}
    for row in _rows(_files(folder, "Description")):
        if row["active"] == "1":
            name = (row["id"], row["typeId"], row["languageCode"], row["term"])
            found.setdefault(row["conceptId"], []).append(name)
    return found


def _preferred(folder: Path) -> frozenset[str]:
    """The descriptions that a language reference set prefers; none where there is no such file."""
    found = set()
    for path in sorted(folder.rglob("*Refset_Language*.txt")):
        if "Snapshot" in path.name:
            for row in _rows([path]):
                if row["active"] == "1" and row.get("acceptabilityId") == PREFERRED:
                    found.add(row["referencedComponentId"])
    return frozenset(found)


def _said(names: list[Name], preferred: frozenset[str]) -> tuple[str, tuple[Designation, ...]]:
    """Display and designations: the preferred synonym in English, else the full name."""

    def rank(name: Name) -> tuple[bool, bool, bool, str]:
        id_, type_, language, _ = name
        return language != "en", type_ == FULL_NAME, id_ not in preferred, id_

    ordered = sorted(names, key=rank)
    if not ordered:
        return "", ()
    first = ordered[0]
    display = _TAG.sub("", first[3]) if first[1] == FULL_NAME else first[3]
    return display, tuple(
        Designation(term, language, _FULL_NAME_USE if type_ == FULL_NAME else None)
        for _, type_, language, term in ordered
        if term != display
    )


def _version(path: Path) -> str:
    """The URI of the edition: that of the international one where the name tells no module."""
    dated = _DATE.search(path.name)
    return f"{URL}/{CORE}/version/{dated[1]}" if dated else ""
