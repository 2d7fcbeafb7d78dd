"""Where StructureDefinitions are found by canonical URL: R4's own, ours, and those of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from zstandard import compress, decompress

import fhir_server
from fhir_server.fhir.archive import Archive, Row
from fhir_server.terminology.library import order

__all__ = ["ARCHIVE", "CORE", "Library", "folder", "load", "split"]

ARCHIVE = "r4.archive"
CORE = "http://hl7.org/fhir/StructureDefinition/"

Json = dict[str, Any]
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


KEPT = 48
"""Definitions that are kept decoded."""


class _Head(msgspec.Struct):
    url: str = ""
    version: str = ""
    status: str = ""


class Library:
    """StructureDefinitions by URL and version. What is put in later hides what came before.

    `changes` counts what was put in or taken out, so that whoever compiled one knows that it may
    be stale.
    """

    def __init__(self, archive: Archive, own: Iterable[Json]) -> None:
        self._archive = archive
        self._rows: dict[str, Row] = {row.url: row for row in archive.rows}
        self._own: dict[str, Json] = {one["url"]: one for one in own}
        self._live: dict[str, dict[str, bytes]] = {}
        """URL -> version -> definition, packed: published ones are large and seldom looked at."""
        self._ids: dict[str, tuple[str, str]] = {}
        """Logical id -> URL and version of what the store has under it."""
        self._decoded: OrderedDict[str, Json] = OrderedDict()
        self.changes = 0

    def find(self, canonical: str) -> Json | None:
        """The definition of `url` or `url|version`; the newest one where no version is named."""
        url, version = split(canonical)
        live = self._live.get(url)
        if live:
            wanted = version or max(live, key=order)
            if wanted in live:
                return self._decode(f"{url}|{wanted}", lambda: decompress(live[wanted]))
        found = self._own.get(url)
        if found is None and url in self._rows:
            found = self._decode(url, lambda: self._archive.raw(self._rows[url]))
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

    def _decode(self, key: str, read: Callable[[], bytes]) -> Json:
        found = self._decoded.get(key)
        if found is None:
            found = self._decoded[key] = _DECODER.decode(read())
            if len(self._decoded) > KEPT:
                self._decoded.popitem(last=False)
        return found

    def put(self, id_: str, raw: bytes) -> None:
        """Take in what the store has under a logical id, instead of what it had there before."""
        self.drop(id_)
        head = msgspec.json.decode(raw, type=_Head)
        if not head.url or head.status == "retired":
            return
        self._live.setdefault(head.url, {})[head.version] = compress(raw)
        self._ids[id_] = (head.url, head.version)
        self._decoded.pop(f"{head.url}|{head.version}", None)
        self.changes += 1

    def drop(self, id_: str) -> None:
        """Forget what the store had under a logical id."""
        known = self._ids.pop(id_, None)
        if known is not None:
            versions = self._live.get(known[0], {})
            versions.pop(known[1], None)
            self._decoded.pop(f"{known[0]}|{known[1]}", None)
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
