"""What the program brings: whole, told by a manifest, and small."""

from __future__ import annotations

import hashlib
import json

import pytest

from fhir_server.fhir.archive import Archive, pack
from fhir_server.fhir.definitions import load as definitions
from fhir_server.terminology import base
from fhir_server.terminology.build_terminology import manifest
from fhir_server.terminology.membership import Membership
from fhir_server.validation import Validator

OURS = "https://fhir-server.example.org"
NOS = "https://mos.esante.gouv.fr/NOS"
FOLDER = base.folder()
OWN = sorted(path for path in FOLDER.glob("*.json") if path.name != base.MANIFEST)


def test_the_manifest_is_of_the_files_that_are_there():
    assert (FOLDER / base.MANIFEST).read_bytes() == manifest(FOLDER)
    rows = json.loads((FOLDER / base.MANIFEST).read_bytes())["files"]
    assert {row["file"] for row in rows} == {
        path.name for path in FOLDER.iterdir() if path.name != base.MANIFEST
    }
    for row in rows:
        raw = (FOLDER / row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(raw).hexdigest()
        assert row["licence"]


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_500_000


def test_all_of_r4_is_there():
    found = base.load()
    counts = {
        type_: sum(1 for _ in found.entries(type_))
        for type_ in ("CodeSystem", "ValueSet", "ConceptMap")
    }
    ours = {type_: sum(path.name.startswith(f"{type_}-") for path in OWN) for type_ in counts}
    assert {type_: counts[type_] - ours[type_] for type_ in counts} == {
        "CodeSystem": 495 + 424 + 143,
        "ValueSet": 672 + 428 + 216,
        "ConceptMap": 19,
    }


def test_an_archive_is_the_same_whatever_the_order():
    rows = [
        {"resourceType": "ValueSet", "id": str(number), "x": "y" * 1000} for number in range(500)
    ]
    assert pack(rows) == pack(reversed(rows))


def test_an_archive_gives_back_what_went_in(tmp_path):
    rows = [
        {"resourceType": "ValueSet", "id": f"{number:04}", "url": f"u{number}", "x": "é" * number}
        for number in range(700)
    ]
    (tmp_path / "a").write_bytes(pack(rows))
    archive = Archive(tmp_path / "a")
    assert [json.loads(archive.raw(row)) for row in archive.rows] == rows


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_our_own_are_valid_and_named_by_their_type_and_id(path):
    resource = json.loads(path.read_bytes())
    assert path.stem == f"{resource['resourceType']}-{resource['id']}"
    assert not Validator(definitions()).structure(resource)
    assert resource["url"].startswith((f"{OURS}/{resource['resourceType']}/", f"{NOS}/"))


@pytest.mark.parametrize(
    ("value_set", "size"),
    [
        ("consent-kind", 10),
        ("mes-category", 15),
        ("document-class", 12),
        ("action", 5),
        ("purpose", 13),
        ("security-label", 6 + 17 + 5),
        ("identity-status", 2),
        ("legal-protection", 3),
        ("task-kind", 4),
    ],
)
def test_our_own_sets_have_all_their_codes(value_set, size):
    codings = Membership().codings(f"{OURS}/ValueSet/{value_set}")
    assert codings is not None
    assert len(codings) == size


def test_codes_of_the_visibility_of_documents():
    system = f"{NOS}/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
    contains = Membership().contains
    labels = f"{OURS}/ValueSet/security-label"
    assert contains(labels, system, "INVISIBLE_PATIENT") is True
    assert contains(labels, system, "VISIBLE") is False
    assert contains(labels, "http://terminology.hl7.org/CodeSystem/v3-ActCode", "PREGNANT") is True
