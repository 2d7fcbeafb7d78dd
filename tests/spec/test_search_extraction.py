"""A slow second opinion on extraction: FHIRPath finds a value where a key says there is one."""

from __future__ import annotations

import json
import re
import tarfile
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from fhir_server.fhir import definitions, fhirpath
from fhir_server.search.index import Indexer
from fhir_server.search.registry import Parameter, Registry
from tests.oracles import shared

pytestmark = pytest.mark.oracles

REGISTRY = Registry(definitions.load())
INDEXER = Indexer(definitions.load(), REGISTRY, "http://server.example/fhir")
_RESOLVES = re.compile(r"\.where\(resolve\(\) is (\w+)\)")
_NO_CONTENT = {"id", "extension", "modifierExtension"}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """The official examples by file name."""
    found = {}
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                found[member.name] = json.loads(file.read(), parse_float=Decimal)
    return found


def values(expression: str, resource: dict[str, Any], type_: str | None = None) -> list[Any]:
    """What the engine finds, without elements that have nothing but extensions.

    References are told apart by what they say, since nothing can be resolved here.
    """
    narrowed = _RESOLVES.search(expression)
    compiled = fhirpath.compile(_RESOLVES.sub("", expression))
    found = [
        value
        for _, value, _ in compiled.nodes(resource, type_)
        if value is not None and not (isinstance(value, dict) and _NO_CONTENT.issuperset(value))
    ]
    if narrowed is None:
        return found
    return [value for value in found if _names(value, narrowed[1], resource)]


def _names(value: Any, type_: str, resource: dict[str, Any]) -> bool:
    text = value.get("reference", "")
    if text.startswith("#"):
        contained = {one["id"]: one["resourceType"] for one in resource.get("contained", [])}
        return contained.get(text[1:], value.get("type")) == type_
    named = re.search(r"(?:^|/)([A-Z]\w+)/[A-Za-z0-9.\-]+(?:/_history/.+)?$", text)
    return (named[1] if named else value.get("type")) == type_


def expected(parameter: Parameter, resource: dict[str, Any]) -> bool:
    """Whether the parameter has a value, by its expression alone."""
    if parameter.type != "composite":
        return any(values(term, resource) for term in parameter.terms)
    type_ = resource["resourceType"]
    for term in parameter.terms:
        for name, context, _ in fhirpath.compile(term).nodes(resource):
            if all(
                any(
                    values(
                        side.replace("%resource", type_).replace("DateTime", "dateTime"),
                        resource if "%" in side else context,
                        None if "%" in side or name == type_ else name,
                    )
                    for side in component.expressions
                )
                for component in parameter.components
            ):
                return True
    return False


SKIPPED = {"_id", "_lastUpdated", "_text", "_content", "_query"}


@pytest.mark.parametrize("name", sorted(examples()))
def test_keys_agree_with_fhirpath(name: str) -> None:
    resource = examples()[name]
    seen = set(INDEXER(resource).s)
    wrong = []
    for parameter in REGISTRY.all(resource["resourceType"]):
        if parameter.code in SKIPPED:
            continue
        marked = any(code in seen for code in parameter.stored)
        if marked != expected(parameter, resource):
            wrong.append((parameter.code, f"key: {marked}"))
    assert not wrong
