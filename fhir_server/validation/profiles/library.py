"""Where StructureDefinitions are found by canonical URL: R4's own, ours, and those of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import fhir_server
from fhir_server.fhir.archive import Archive, Row
from fhir_server.terminology.library import order

__all__ = ["ARCHIVE", "CORE", "Library", "folder", "load", "split"]

ARCHIVE = "r4.archive"
CORE = "http://hl7.org/fhir/StructureDefinition/"

Json = dict[str, Any]
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class Library:
    """StructureDefinitions by URL and version. What is put in later hides what came before.

    `changes` counts what was put in or taken out, so that whoever compiled one knows that it may
    be stale.
    """

    def __init__(self, archive: Archive, own: Iterable[Json]) -> None:
        self._archive = archive
        self._rows: dict[str, Row] = {row.url: row for row in archive.rows}
        self._own: dict[str, Json] = {one["url"]: one for one in own}
        self._live: dict[str, dict[str, Json]] = {}
        """URL -> version -> definition."""
        self._ids: dict[str, tuple[str, str]] = {}
        """Logical id -> URL and version of what the store has under it."""
        self._decoded: dict[str, Json] = {}
        self.changes = 0

    def find(self, canonical: str) -> Json | None:
        """The definition of `url` or `url|version`; the newest one where no version is named."""
        url, version = split(canonical)
        live = self._live.get(url)
        if live:
            if version in live:
                return live[version]
            if not version:
                return live[max(live, key=order)]
        found = self._own.get(url) or self._decoded.get(url)
        if found is None and url in self._rows:
            found = self._decoded[url] = _DECODER.decode(self._archive.raw(self._rows[url]))
        if found is None or (version and not _is_version(found, version)):
            return None
        return found

    def versions(self, url: str) -> list[str]:
        """The versions that are known of a URL, the newest last."""
        live = set(self._live.get(url, ()))
        found = self._own.get(url)
        if found is None and url in self._rows:
            live.add(self._rows[url].version)
        if found is not None:
            live.add(found.get("version", ""))
        return sorted(live, key=order)

    def urls(self) -> list[str]:
        """The URLs of R4's own definitions, sorted."""
        return sorted(self._rows)

    def own(self) -> Iterator[Json]:
        """What the program itself brings beside R4's definitions."""
        yield from self._own.values()

    def put(self, id_: str, definition: Json) -> None:
        """Take in what the store has under a logical id, instead of what it had there before."""
        self.drop(id_)
        url = definition.get("url")
        if not isinstance(url, str) or definition.get("status") == "retired":
            return
        version = definition.get("version", "")
        self._live.setdefault(url, {})[version] = definition
        self._ids[id_] = (url, version)
        self.changes += 1

    def drop(self, id_: str) -> None:
        """Forget what the store had under a logical id."""
        known = self._ids.pop(id_, None)
        if known is not None:
            versions = self._live.get(known[0], {})
            versions.pop(known[1], None)
            if not versions:
                self._live.pop(known[0], None)
            self.changes += 1


def split(canonical: str) -> tuple[str, str]:
    """URL and version of a canonical; a fragment belongs to neither."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version.partition("#")[0]


def _is_version(definition: Json, wanted: str) -> bool:
    """4.0 stands for 4.0.1: https://hl7.org/fhir/R4/references.html#canonical-matching."""
    known: str = definition.get("version", "")
    return known == wanted or known.startswith(f"{wanted}.")


def folder() -> Path:
    """Where the data lies: in the package when it was installed, else beside it."""
    package = Path(fhir_server.__file__).parent
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parent / "profiles"


@cache
def _archive() -> Archive:
    return Archive(folder() / ARCHIVE)


@cache
def _own() -> tuple[Json, ...]:
    found = (_DECODER.decode(p.read_bytes()) for p in sorted(folder().glob("Structure*.json")))
    return tuple(found)


def load() -> Library:
    """A library of R4's and our own definitions, which are read once per process."""
    return Library(_archive(), _own())
