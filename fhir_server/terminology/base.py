"""What the program itself brings: R4's code systems, value sets and maps, and ours.

Only names are read at first; a resource is decoded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import fhir_server
from fhir_server.fhir.archive import Archive

ARCHIVE = "r4.archive"
MANIFEST = "manifest.json"


class Entry(NamedTuple):
    """One resource of the base; `key` tells it from all others, in every process."""

    type: str
    id: str
    url: str
    version: str
    key: tuple[str, str]


class Base:
    """The resources by type and canonical URL."""

    def __init__(self, within: Path) -> None:
        self._archive = Archive(within / ARCHIVE)
        self._rows = {(row.type, row.id): row for row in self._archive.rows}
        self._own: dict[tuple[str, str], bytes] = {}
        self._by_url: dict[tuple[str, str], list[Entry]] = {}
        for row in self._archive.rows:
            self._add(row.type, row.id, row.url, row.version)
        for path in sorted(within.glob("*.json")):
            if path.name != MANIFEST:
                raw = path.read_bytes()
                head = msgspec.json.decode(raw)
                self._own[head["resourceType"], head["id"]] = raw
                self._add(head["resourceType"], head["id"], head["url"], head.get("version", ""))

    def _add(self, type_: str, id_: str, url: str, version: str) -> None:
        entry = Entry(type_, id_, url, version, (type_, id_))
        self._by_url.setdefault((type_, url), []).append(entry)

    def find(self, type_: str, url: str) -> list[Entry]:
        """The versions of a canonical URL; empty where there is none."""
        return self._by_url.get((type_, url), [])

    def entries(self, *types: str) -> Iterator[Entry]:
        """All resources of these types; of all types where none is named."""
        for (type_, _), found in self._by_url.items():
            if not types or type_ in types:
                yield from found

    def raw(self, entry: Entry) -> bytes:
        """The resource's JSON."""
        own = self._own.get(entry.key)
        return own if own is not None else self._archive.raw(self._rows[entry.key])

    def resource(self, entry: Entry) -> dict[str, Any]:
        """The resource, decoded anew at each call."""
        found: dict[str, Any] = msgspec.json.decode(self.raw(entry))
        return found


def folder() -> Path:
    """Where the data lies: in the package when it was installed, else beside it."""
    package = Path(fhir_server.__file__).parent
    inside = package / "terminology" / "data"
    return inside if inside.is_dir() else package.parent / "terminology"


@cache
def load() -> Base:
    """The base, read once per process."""
    return Base(folder())
