"""A code system in a CSV file with a heading.

Columns: `code`, `display`, `definition`, `parent` (several with `|`), `language:xx` for a display
in another language; each other column is a property.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from fhir_server.errors import MalformedContent
from fhir_server.terminology.code_system import Head
from fhir_server.terminology.concept import Concept, Designation, Property
from fhir_server.terminology.releases import Release

_OWN = frozenset(("code", "display", "definition", "parent"))
_LANGUAGE = "language:"
_BOOLEANS = {"true": True, "false": False}


def read(path: Path, system: str, version: str = "", name: str = "") -> Release:
    """The release in a file. Raises MalformedContent for one without codes or without a heading."""
    parents: dict[str, tuple[str, ...]] = {}
    total = 0
    properties: dict[str, str] = {}
    for row in _rows(path):
        total += 1
        if found := _parents(row):
            parents[row["code"]] = found
        properties |= {
            column: "boolean" if value in _BOOLEANS else "string"
            for column, value in row.items()
            if value and _is_property(column)
        }
    if not total:
        raise MalformedContent(f"{path.name} has a heading and no rows")

    def each() -> Iterator[Concept]:
        return (_concept(row) for row in _rows(path))

    head = Head(system, version, name or path.stem, properties=properties, hierarchy="is-a")
    return Release(head, each, total, parents)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=sample.count)
        reader = csv.DictReader(file, delimiter=delimiter)
        if "code" not in (reader.fieldnames or ()):
            raise MalformedContent(f"{path.name} has no column 'code' in its first line")
        for row in reader:
            if not row["code"]:
                raise MalformedContent(f"{path.name}, line {reader.line_num}: the code is empty")
            yield {name: value or "" for name, value in row.items() if isinstance(name, str)}


def _parents(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in row.get("parent", "").split("|") if part.strip())


def _is_property(column: str) -> bool:
    return column not in _OWN and not column.startswith(_LANGUAGE)


def _concept(row: Mapping[str, str]) -> Concept:
    properties = []
    for column, value in row.items():
        if value and _is_property(column):
            known = _BOOLEANS.get(value)
            kind = "valueString" if known is None else "valueBoolean"
            properties.append(Property(column, kind, value if known is None else known))
    return Concept(
        row["code"],
        row.get("display", ""),
        row.get("definition", ""),
        _parents(row),
        tuple(properties),
        tuple(
            Designation(value, column.removeprefix(_LANGUAGE))
            for column, value in row.items()
            if value and column.startswith(_LANGUAGE)
        ),
    )
