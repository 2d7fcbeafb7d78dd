"""A FHIR CodeSystem in a JSON file of any size.

The file is decoded once to raw pieces; a concept is turned to values when its turn comes, so that a
large system costs little more memory than its bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.errors import MalformedContent
from fhir_server.terminology.concept import Concept, designations_of, properties_of
from fhir_server.terminology.memory import head_of
from fhir_server.terminology.releases import Release

Json = dict[str, Any]


class _Row(msgspec.Struct, gc=False):
    """A concept whose rest is not looked at yet."""

    code: str = ""
    concept: list[msgspec.Raw] = []


class _Resource(msgspec.Struct, gc=False):
    concept: list[msgspec.Raw] = []


def read(path: Path) -> Release:
    """The release in a file. Raises MalformedContent for what is no CodeSystem with concepts."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    try:
        concepts = msgspec.json.decode(raw, type=_Resource).concept
        rest: Json = {
            name: msgspec.json.decode(value)
            for name, value in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items()
            if name not in ("concept", "text")
        }
    except msgspec.DecodeError as error:
        raise MalformedContent(f"{path.name} is no JSON of a CodeSystem: {error}") from None
    if rest.get("resourceType") != "CodeSystem" or not rest.get("url"):
        raise MalformedContent(f"{path.name} is no CodeSystem with a url")
    if not concepts:
        raise MalformedContent(f"The CodeSystem in {path.name} has no concepts")
    parents: dict[str, list[str]] = {}
    total = 0
    for row, above in _walk(concepts):
        total += 1
        found = parents.setdefault(row["code"], [])
        for parent in (above, *_related(row, "parent")):
            if parent and parent not in found:
                found.append(parent)
        for child in _related(row, "child"):
            parents.setdefault(child, []).append(row["code"])
    kept = {code: tuple(dict.fromkeys(found)) for code, found in parents.items() if found}

    def each() -> Iterator[Concept]:
        for row, _ in _walk(concepts):
            yield Concept(
                row["code"],
                row.get("display", ""),
                row.get("definition", ""),
                kept.get(row["code"], ()),
                properties_of(row),
                designations_of(row),
            )

    return Release(head_of(rest), each, total, kept)


def _walk(concepts: list[msgspec.Raw]) -> Iterator[tuple[Json, str]]:
    """Each concept without those in it, and the code of the one that it lies in."""
    waiting = [(raw, "") for raw in reversed(concepts)]
    while waiting:
        raw, above = waiting.pop()
        inner = msgspec.json.decode(raw, type=_Row)
        row = msgspec.json.decode(raw) if not inner.concept else _without_children(raw)
        if not isinstance(row.get("code"), str) or not row["code"]:
            raise MalformedContent("A concept has no code", expression="CodeSystem.concept.code")
        yield row, above
        waiting += [(one, row["code"]) for one in reversed(inner.concept)]


def _without_children(raw: msgspec.Raw) -> Json:
    parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return {name: msgspec.json.decode(part) for name, part in parts.items() if name != "concept"}


def _related(row: Json, name: str) -> list[str]:
    return [one.text for one in properties_of(row) if one.code == name]
