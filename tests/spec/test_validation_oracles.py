"""Validation against published data: official examples, Synthea, validator cases, mutations."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonpatch
import pytest

from fhir_server.errors import Issue
from fhir_server.fhir.definitions import load
from fhir_server.fhir.xml import from_xml
from fhir_server.validation import Validator
from tests.oracles import shared

VALIDATOR = Validator(load())

# Faults of R4's own examples that index.tsv does not name, and what is against them.
EXAMPLES_WITH_FAULTS = {
    "ActivityDefinition-heart-valve-replacement.json": ("ActivityDefinition.text.div", "txt-2"),
    "MedicationRequest-medrx0301.json": (
        "MedicationRequest.dispenseRequest.performer",
        "a reference to Practitioner is not allowed here: give Organization",
    ),
    "Observation-clinical-gender.json": (
        "Observation.performer[0]",
        "a reference to Encounter is not allowed here",
    ),
}
# Base errors that the codec sees before validation: no JSON, no XML, elements that R4 has not.
REFUSED_BEFORE = {
    "bad-json-close",
    "bad-json-close-2",
    "capabilitystatement-measure-processor",
    "japanese-utf8-ok",
    "xml-fail",
}


def decode(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def errors(resource: Any) -> list[Issue]:
    """What is wrong by structure and invariants, without warnings."""
    return [issue for issue in VALIDATOR.validate(resource) if issue.severity == "error"]


def examples() -> Iterator[tuple[str, Any]]:
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and member.name.endswith(".json"):
                yield member.name.rpartition("/")[2], decode(file.read())


def test_official_examples_have_no_faults_but_the_known_ones() -> None:
    index = shared("data/spec-examples/index.tsv").read_text()
    noted = {r["file"] for r in csv.DictReader(io.StringIO(index), delimiter="\t") if r["note"]}
    count = 0
    for name, resource in examples():
        count += 1
        issues = VALIDATOR.structure(resource)
        if name in noted:
            assert [i.expression for i in issues] == [("SearchParameter.id",)]
        elif name in EXAMPLES_WITH_FAULTS:
            place, text = EXAMPLES_WITH_FAULTS[name]
            (issue,) = issues
            assert issue.expression == (place,)
            assert text in issue.diagnostics
            assert [i.severity for i in VALIDATOR.structure(resource, lenient=True)] == ["warning"]
        else:
            assert errors(resource) == [], name
    assert count == 319


def test_synthea_has_no_faults() -> None:
    count = 0
    for path in sorted(shared("data/synthea").glob("*/*.json.gz")):
        bundle = decode(gzip.decompress(path.read_bytes()))
        assert errors(bundle) == [], path.name
        count += len(bundle["entry"])
    assert count == 11_712


def plain(place: str) -> str:
    """A place without what only one notation has: `[x]`, `valueQuantity`, `ofType()`."""
    place = re.sub(r"/\*[^*]*\*/", "", place).replace("[x]", "").rstrip(".")
    place = re.sub(r"\.ofType\((\w)(\w*)\)", lambda m: m[1].upper() + m[2], place)
    return re.sub(r"\b(value|multipleBirth|effective|deceased)[A-Z]\w*", r"\1", place)


def test_mutations_are_seen_at_their_place() -> None:
    folder = shared("oracles/validator")
    for mutation in decode((folder / "mutations.json").read_bytes()):
        base = decode((folder / "mutation-bases" / mutation["base"]).read_bytes())
        issues = errors(jsonpatch.apply_patch(base, mutation["patch"]))
        if mutation["expect"] == "valid":
            assert issues == [], mutation["id"]
        else:
            places = {plain(place) for issue in issues for place in issue.expression}
            assert any(p.startswith(plain(mutation["where"])) for p in places), mutation["id"]


def cases() -> list[dict[str, Any]]:
    lines = shared("oracles/validator/index.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_validator_cases_without_errors_have_none() -> None:
    seen = 0
    for case, resource in bodies("no-error"):
        assert errors(resource) == [], case["name"]
        seen += 1
    assert seen == 55


def test_base_errors_are_seen_at_their_place() -> None:
    seen = 0
    for case, resource in bodies("base-error"):
        found = {plain(p) for issue in errors(resource) for p in issue.expression}
        wanted = {plain(p) for error in case["errors"] for p in error["expression"]}
        assert any(f.startswith(w) for f in found for w in wanted), case["name"]
        seen += 1
    assert seen == 13


def bodies(expect: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """The cases of a kind, decoded."""
    with tarfile.open(shared("oracles/validator/cases.tar.gz")) as archive:
        members = {member.name.partition("cases/")[2]: member for member in archive}
        for case in cases():
            if case["expect"] == expect and case["name"] not in REFUSED_BEFORE:
                file = archive.extractfile(members[case["file"]])
                assert file is not None
                body = file.read()
                yield case, from_xml(body) if case["file"].endswith(".xml") else decode(body)


@pytest.mark.parametrize("place", ["Patient.multipleBirth", "Observation.value.value"])
def test_places_compare_without_their_notation(place: str) -> None:
    notations = {
        "Patient.multipleBirth": ["Patient.multipleBirthInteger", "Patient.multipleBirth[x]"],
        "Observation.value.value": ["Observation.value.ofType(Quantity).value"],
    }
    assert {plain(notation) for notation in notations[place]} == {place}
