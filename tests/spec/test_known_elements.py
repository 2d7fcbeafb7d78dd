"""What is known of elements gives the same verdict and the same keys as a look at all of them."""

from __future__ import annotations

import gzip
import json
import random
import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from fhir_server.errors import FhirError, Issue
from fhir_server.fhir import codec, definitions, elements
from fhir_server.search.index import Indexer
from fhir_server.search.keys import Keys
from fhir_server.search.registry import Registry
from fhir_server.validation import Validator
from tests.oracles import shared

BASE = "http://127.0.0.1:8080/fhir"


@cache
def bodies() -> tuple[bytes, ...]:
    """The official examples, and a sample of Synthea's entries."""
    found = []
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            if member.name.endswith(".json") and (file := archive.extractfile(member)):
                found.append(file.read())
    for path in sorted(shared("data/synthea").glob("*/*.json.gz"))[:3]:
        entries = json.loads(gzip.decompress(path.read_bytes())).get("entry", ())
        found += [json.dumps(entry["resource"]).encode() for entry in entries[::7]]
    return tuple(found)


@cache
def parts() -> tuple[Validator, Indexer]:
    """A validator and an indexer that know elements from all the tests before."""
    table = definitions.load()
    return Validator(table), Indexer(table, Registry(table), BASE)


def readable() -> Iterator[elements.Content]:
    for body in bodies():
        try:
            yield elements.read(body)
        except FhirError:
            continue


def same(found: list[Issue], expected: list[Issue]) -> bool:
    return [str(issue) for issue in found] == [str(issue) for issue in expected]


def keys_of(found: Keys) -> tuple[Any, ...]:
    lists = (found.k, found.r, found.s, found.n, found.t)
    return (found.p, found.d, found.e, *(sorted(map(str, one)) for one in lists))


@pytest.mark.parametrize("time", ["first", "again", "once more"])
def test_the_verdict_is_the_same(time: str) -> None:
    validator, _ = parts()
    seen = 0
    for content in readable():
        plain = validator.errors(codec.decode(content.raw))
        assert same(validator.errors(content.resource, False, content.elements), plain)
        seen += 1
    assert seen > 300


@pytest.mark.parametrize("time", ["first", "again", "once more"])
def test_the_keys_are_the_same(time: str) -> None:
    validator, indexer = parts()
    seen = 0
    for content in readable():
        if validator.errors(content.resource):
            continue
        plain = indexer(codec.decode(content.raw))
        found = indexer(content.resource, content.elements)
        assert keys_of(found) == keys_of(plain), content.raw[:200]
        assert [one[:2] for one in found.c] == [one[:2] for one in plain.c]
        seen += 1
    assert seen > 300


def test_nobody_changes_what_is_shared() -> None:
    validator, indexer = parts()
    for content in readable():
        if not validator.errors(content.resource, False, content.elements):
            indexer(content.resource, content.elements)
        for name, part in codec.members(content.raw).items():
            assert codec.encode(content.elements[name].value) == codec.encode(codec.value(part))


CONTAINED = {
    "resourceType": "Observation",
    "contained": [{"resourceType": "Patient", "id": "p"}],
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "#p"},
}


PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/x",
    "name": "X",
    "status": "draft",
    "kind": "logical",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Other", "path": "Other"}]},
}


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param(PROFILE, {**PROFILE, "kind": "resource"}, id="a rule that looks around"),
        pytest.param(
            CONTAINED,
            {name: value for name, value in CONTAINED.items() if name != "contained"},
            id="a local reference needs what is contained",
        ),
        pytest.param(
            {
                "resourceType": "Patient",
                "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "y"}]},
            },
            {"resourceType": "Patient", "_birthDate": {"id": "x"}},
            id="an extension may stand for a value",
        ),
        pytest.param(
            {
                "resourceType": "CareTeam",
                "participant": [
                    {
                        "member": {"reference": "Practitioner/1"},
                        "onBehalfOf": {"reference": "Organization/1"},
                    }
                ],
            },
            {
                "resourceType": "CareTeam",
                "contained": [{"resourceType": "Patient", "id": "p"}],
                "participant": [
                    {"member": {"reference": "#p"}, "onBehalfOf": {"reference": "Organization/1"}}
                ],
            },
            id="a rule that resolves",
        ),
        pytest.param(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "valueString": "x",
            },
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "valueString": "x",
                "valueInteger": 1,
            },
            id="a choice has one type",
        ),
        pytest.param(
            {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
            {"resourceType": "Observation", "status": "final"},
            id="what is required",
        ),
        pytest.param(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "dataAbsentReason": {"text": "y"},
            },
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "dataAbsentReason": {"text": "y"},
                "valueString": "x",
            },
            id="an invariant of the resource",
        ),
        pytest.param(
            {
                "resourceType": "PlanDefinition",
                "status": "draft",
                "library": [None, "http://example.org/l"],
                "_library": [{"extension": [{"url": "urn:x", "valueCode": "y"}]}],
            },
            {
                "resourceType": "PlanDefinition",
                "status": "draft",
                "library": [None, "http://example.org/l"],
            },
            id="null needs something beside it",
        ),
        pytest.param(
            {"resourceType": "Bundle", "type": "searchset", "total": 1},
            {"resourceType": "Bundle", "type": "collection", "total": 1},
            id="an invariant that depends on values",
        ),
        pytest.param(
            {"resourceType": "Patient", "text": {"status": "generated", "div": DIV}},
            {
                "resourceType": "Patient",
                "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
                "text": {"status": "generated", "div": DIV},
            },
            id="what is contained must be pointed at",
        ),
    ],
)
def test_what_is_right_here_may_be_wrong_there(right: Any, wrong: Any) -> None:
    validator, _ = parts()
    for _ in range(2):
        content = elements.read(json.dumps(right).encode())
        assert not validator.errors(content.resource, False, content.elements)
        content = elements.read(json.dumps(wrong).encode())
        found = validator.errors(content.resource, False, content.elements)
        assert found
        assert same(found, validator.errors(codec.decode(content.raw)))


def spoilt(value: Any, random_: random.Random) -> Any:
    """A copy without one property somewhere in it, or with two values exchanged."""
    copy = json.loads(json.dumps(value))
    node = copy
    while True:
        inner = [item for item in (node.values() if isinstance(node, dict) else node) if item]
        inner = [item for item in inner if isinstance(item, dict | list)]
        if not inner or (isinstance(node, dict) and random_.random() < 0.3):
            break
        node = random_.choice(inner)
    if isinstance(node, dict) and len(node) > 1 and random_.random() < 0.4:
        one, other = random_.sample(sorted(node), 2)
        node[one], node[other] = node[other], node[one]
    elif isinstance(node, dict) and node:
        del node[random_.choice(sorted(node))]
    return copy


def test_what_is_spoilt_is_seen_among_what_is_known() -> None:
    validator, _ = parts()
    random_ = random.Random(5)
    seen = [0, 0]
    for content in list(readable()):
        validator.errors(content.resource, False, content.elements)
        for _ in range(2):
            body = json.dumps(spoilt(json.loads(content.raw), random_)).encode()
            try:
                changed = elements.read(body)
            except FhirError:
                continue
            found = validator.errors(changed.resource, False, changed.elements)
            assert same(found, validator.errors(codec.decode(changed.raw))), body
            seen[bool(found)] += 1
    assert min(seen) > 200
