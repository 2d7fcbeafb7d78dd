"""The folder of a LOINC release as it is downloaded.

`LoincTable/Loinc.csv` has the terms; the hierarchy, where it is there, lies under
`AccessoryFiles`. https://loinc.org/kb/users-guide/
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

URL = "http://loinc.org"
TABLE = "Loinc.csv"
HIERARCHY = "ComponentHierarchyBySystem.csv"

PROPERTIES = (
    *("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS"),
    *("CLASSTYPE", "STATUS", "ORDER_OBS", "EXAMPLE_UCUM_UNITS"),
)
_DISPLAYS = ("SHORTNAME", "CONSUMER_NAME", "DisplayName")
_STATUS = {"DEPRECATED": "retired", "DISCOURAGED": "deprecated"}
_VERSION = re.compile(r"(?i)loinc[_-](\d+\.\d+)")


def is_release(folder: Path) -> bool:
    """Whether the folder is one of LOINC."""
    return _find(folder, TABLE) is not None


def read(folder: Path, version: str = "") -> Release:
    """The release in a folder; its version from the folder's name where none is given."""
    table = _find(folder, TABLE)
    if table is None:
        raise MalformedContent(f"{folder.name} has no {TABLE}")
    if not version:
        named = _VERSION.search(folder.name)
        version = named[1] if named else ""
    hierarchy = _find(folder, HIERARCHY)
    above, parts = _hierarchy(hierarchy) if hierarchy else ({}, {})
    codes: set[str] = set()
    total = 0
    for row in _rows(table):
        total += 1
        codes.add(row.get("LOINC_NUM", ""))
    groups = {code: text for code, text in parts.items() if code not in codes}

    def each() -> Iterator[Concept]:
        for code, text in groups.items():
            group = (Property("notSelectable", "valueBoolean", True),)
            yield Concept(code, text, parents=above.get(code, ()), properties=group)
        for row in _rows(table):
            yield _concept(row, above.get(row["LOINC_NUM"], ()))

    head = Head(
        URL,
        version,
        "LOINC",
        "Logical Observation Identifiers, Names and Codes (LOINC)",
        "en",
        case_sensitive=False,
        hierarchy="is-a",
        properties={
            **dict.fromkeys(PROPERTIES, "string"),
            "status": "code",
            "notSelectable": "boolean",
        },
    )
    return Release(head, each, total + len(groups), above)


def _find(folder: Path, name: str) -> Path | None:
    return min(folder.rglob(name), key=lambda path: (len(path.parts), str(path)), default=None)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _concept(row: dict[str, str], parents: tuple[str, ...]) -> Concept:
    display = row.get("LONG_COMMON_NAME") or row.get("SHORTNAME") or row.get("COMPONENT", "")
    properties = [Property(name, "valueString", row[name]) for name in PROPERTIES if row.get(name)]
    if status := _STATUS.get(row.get("STATUS", "")):
        properties.append(Property("status", "valueCode", status))
    names = dict.fromkeys(row.get(name, "") for name in _DISPLAYS)
    return Concept(
        row["LOINC_NUM"],
        display,
        row.get("DefinitionDescription", ""),
        parents,
        tuple(properties),
        tuple(Designation(name, "en") for name in names if name and name != display),
    )


def _hierarchy(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Parents of each code, and the text of each."""
    above: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for row in _rows(path):
        code, parent = row.get("CODE", ""), row.get("IMMEDIATE_PARENT", "")
        texts.setdefault(code, row.get("CODE_TEXT", ""))
        found = above.setdefault(code, [])
        if parent and parent not in found:
            found.append(parent)
    return {code: tuple(found) for code, found in above.items() if found}, texts
