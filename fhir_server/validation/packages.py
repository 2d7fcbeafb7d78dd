"""FHIR packages: conformance resources as they are published, in a `.tgz` or unpacked.

https://hl7.org/fhir/R4/packages.html (the manifest is npm's `package.json`). Read offline; nothing
in a package is executed, and only JSON files in its folder `package` are looked at.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fhir_server.errors import FhirError
from fhir_server.fhir import codec

__all__ = ["CONFORMANCE", "Package", "PackageFault", "missing", "read_package"]

CONFORMANCE = frozenset(
    (
        *("StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "NamingSystem"),
        *("SearchParameter", "OperationDefinition", "CapabilityStatement", "Questionnaire"),
        *("ImplementationGuide", "StructureMap", "GraphDefinition", "MessageDefinition"),
        *("CompartmentDefinition", "ExampleScenario", "TestScript", "Library", "PlanDefinition"),
    )
)
MOST_BYTES = 1024 * 1024 * 1024
MOST_FILE_BYTES = 100 * 1024 * 1024
MOST_FILES = 50_000


class PackageFault(ValueError):
    """A package that cannot be read; the text says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says of itself, and the conformance resources in it.

    `licence` is the SPDX code or text of its manifest, empty where it states none; `dependencies`
    are versions by package name; `skipped` says of files that were left out why.
    """

    name: str
    version: str
    canonical: str
    title: str
    licence: str
    licence_text: str
    dependencies: dict[str, str]
    resources: tuple[dict[str, Any], ...]
    skipped: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        """`name#version`, as packages are cited."""
        return f"{self.name}#{self.version}"


def read_package(path: Path) -> Package:
    """The package of a `.tgz` file or a folder. Raises PackageFault."""
    files = dict(_files(path))
    if "package.json" not in files:
        raise PackageFault(f"{path} has no package/package.json: it is no FHIR package")
    manifest = _json(files, "package.json")
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or ["4.0.1"]
    if not any(str(one).startswith("4.0") for one in versions):
        told = ", ".join(map(str, versions))
        raise PackageFault(f"{path} is for FHIR {told}; this server speaks 4.0.1 (R4)")
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        raise PackageFault(f"{path}: package.json must state name and version")
    resources, skipped = _resources(files)
    texts = [files[one] for one in sorted(files) if PurePosixPath(one).stem.lower() in _LICENCES]
    return Package(
        name,
        version,
        str(manifest.get("canonical", "")),
        str(manifest.get("title") or manifest.get("description") or ""),
        str(manifest.get("license", "")),
        texts[0].decode("utf-8", "replace") if texts else "",
        {str(k): str(v) for k, v in (manifest.get("dependencies") or {}).items()},
        tuple(resources),
        tuple(skipped),
    )


_LICENCES = ("license", "licence", "copying")


def missing(package: Package, known: Iterable[str]) -> list[str]:
    """Dependencies, as `name#version`, that none of the known packages meets.

    `1.2.x` is met by every patch of 1.2, and a version without numbers (`current`) by any.
    """
    there = [one.partition("#") for one in known]
    found = []
    for name, wanted in sorted(package.dependencies.items()):
        if name.startswith("hl7.fhir.r4."):
            continue  # R4 itself is built in
        versions = [version for other, _, version in there if other == name]
        if wanted.endswith(".x"):
            met = any(version.startswith(wanted[:-1]) for version in versions)
        else:
            met = wanted in versions if wanted[:1].isdigit() else bool(versions)
        if not met:
            found.append(f"{name}#{wanted}")
    return found


def _resources(files: dict[str, bytes]) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    skipped: list[str] = []
    for name in sorted(files):
        if "/" in name or not name.endswith(".json") or name in ("package.json", ".index.json"):
            continue
        try:
            resource = codec.decode(files[name])
        except FhirError as error:
            skipped.append(f"{name}: {error}")
            continue
        type_ = resource.get("resourceType")
        if type_ not in CONFORMANCE:
            continue
        if not resource.get("url") and type_ != "NamingSystem":
            skipped.append(f"{name}: it has no url")
            continue
        found.append(resource)
    return found, skipped


def _json(files: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        return codec.decode(files[name])
    except FhirError as error:
        raise PackageFault(f"{name} cannot be read: {error}") from None


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names below `package/` and contents. Bounded, and never outside of the package."""
    if path.is_dir():
        folder = path / "package" if (path / "package").is_dir() else path
        for one in sorted(folder.iterdir()):
            if one.is_file() and one.stat().st_size <= MOST_FILE_BYTES:
                yield one.name, one.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            total = count = 0
            for member in archive:
                parts = PurePosixPath(member.name.removeprefix("./")).parts
                if not member.isfile() or len(parts) != 2 or parts[0] != "package":
                    continue
                total, count = total + member.size, count + 1
                if total > MOST_BYTES or count > MOST_FILES or member.size > MOST_FILE_BYTES:
                    raise PackageFault(f"{path} is too large to be a package")
                file = archive.extractfile(member)
                if file is not None:
                    yield parts[1], file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise PackageFault(f"{path} is no .tgz file that can be read: {error}") from None
