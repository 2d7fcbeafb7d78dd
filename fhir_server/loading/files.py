"""The files to load: found under the paths given, unpacked, in an order that makes sense.

A file is FHIR JSON (`.json`), XML (`.xml`) or NDJSON (`.ndjson`), plain or with `.gz`, `.bz2` or
`.zst`; or an archive of those: `.zip`, `.tar`, `.tar.gz`, `.tgz`, `.tar.bz2`, `.tar.zst`.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fhir_server.loading.content import FAULTS, Content, frames

KINDS = (".json", ".ndjson", ".xml")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.zst")
_FIRST = ("hospital", "organization", "location", "practitioner", "patient")


class File(NamedTuple):
    """One file: `name` to show it by, `kind` one of KINDS, `path` where its bytes lie."""

    name: str
    kind: str
    path: Path

    @property
    def size(self) -> int:
        """Bytes on the disk, packed where it is packed."""
        return self.path.stat().st_size

    @property
    def rank(self) -> int:
        """Its turn: hospitals and practitioners come before the records that name them."""
        words = self.path.name.lstrip("0123456789-_. ").lower()
        for turn, first in enumerate(_FIRST):
            if words.startswith(first):
                return turn
        return len(_FIRST)

    def open(self) -> Content:
        """What it holds, unpacked; to be closed by `with`."""
        return Content(self.path)


class UnknownFile(ValueError):
    """A path that is not there, or that is of no kind that can be loaded."""


def find(paths: Iterable[Path], scratch: Path) -> list[File]:
    """Every file under `paths`, by turn and name; archives are unpacked into `scratch`.

    Folders are searched for what can be loaded; a path that was named itself must be of a known
    kind, and raises UnknownFile where it is not.
    """
    found: list[File] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p, path))
            for file in inside:
                found += _known(file, str(file), scratch)
        elif path.is_file():
            files = list(_known(path, str(path), scratch))
            if not files:
                raise UnknownFile(
                    f"{path} is of no kind that can be loaded; use {', '.join(KINDS)} (also with "
                    f".gz, .bz2 or .zst) or an archive of them ({', '.join(ARCHIVES)})"
                )
            found += files
        else:
            raise UnknownFile(f"{path} is not there; name files or folders that exist")
    return sorted(found, key=lambda file: (file.rank, file.name))


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _known(path: Path, name: str, scratch: Path) -> Iterator[File]:
    low = path.name.lower()
    if low.endswith(ARCHIVES):
        folder = scratch / str(sum(1 for _ in scratch.iterdir()))
        folder.mkdir()
        _extract(path, folder)
        for member in sorted(p for p in folder.rglob("*") if p.is_file()):
            yield from _known(member, f"{name}/{member.relative_to(folder)}", scratch)
        return
    for suffix in ("", ".gz", ".bz2", ".zst"):
        for kind in KINDS:
            if low.endswith(kind + suffix):
                yield File(name, kind, path)
                return


def _extract(path: Path, folder: Path) -> None:
    low = path.name.lower()
    try:
        if low.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # noqa: S202 - zipfile keeps members below the folder
        elif low.endswith(".zst"):
            with (
                path.open("rb", buffering=0) as packed,
                frames(packed) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                tar.extractall(folder, filter="data")
        else:
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, *FAULTS) as error:
        raise UnknownFile(f"{path} cannot be unpacked: {error}") from None
