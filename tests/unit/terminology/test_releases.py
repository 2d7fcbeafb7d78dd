"""Code systems as people download them, read to concepts."""

from __future__ import annotations

import gzip

import pytest

from fhir_server.errors import MalformedContent
from fhir_server.terminology.releases.kinds import read
from tests.unit.terminology import releases


def by_code(release):
    return {concept.code: concept for concept in release.concepts()}


def test_a_loinc_release(tmp_path):
    release = read(releases.loinc(tmp_path))
    assert (release.head.url, release.head.version, release.total) == (
        "http://loinc.org",
        "2.99",
        4,
    )
    found = by_code(release)
    assert found["1-8"].display == "Widgets [Mass/volume] in Blood"
    assert [one.text for one in found["1-8"].values("SCALE_TYP")] == ["Qn"]
    assert found["2-6"].inactive
    assert not found["1-8"].inactive
    assert found["LP2-0"].abstract
    assert sorted(release.ancestors(found["1-8"])) == ["LP1-0", "LP2-0"]


def test_a_snomed_release(tmp_path):
    release = read(releases.snomed(tmp_path))
    assert release.head.canonical == (
        "http://snomed.info/sct|http://snomed.info/sct/900000000000207008/version/20260101"
    )
    found = by_code(release)
    assert {code: one.display for code, one in found.items()} == {
        "100": "Thing",
        "200": "Widget",
        "300": "Red widget",
        "400": "Old thing",
    }
    assert found["400"].inactive
    assert found["200"].display_in("fr") == "Bidule"
    assert [one.value for one in found["300"].designations] == [
        "Crimson widget",
        "Red widget (thing)",
    ]
    assert found["300"].parents == ("200",)  # the relationship to 100 is inactive
    assert sorted(release.ancestors(found["300"])) == ["100", "200"]


def test_a_table(tmp_path):
    release = read(releases.table(tmp_path), "http://example.org/things", "2")
    found = by_code(release)
    assert release.head.canonical == "http://example.org/things|2"
    assert found["T"].abstract
    assert found["W"].display == "Widget, small"
    assert found["W"].display_in("fr-FR") == "Bidule"
    assert found["G"].parents == ("T", "W")
    assert [one.value for one in found["G"].values("colour")] == ["green"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_code_system_in_fhir_json(tmp_path, packed):
    path = releases.fhir(tmp_path)
    if packed:
        path = tmp_path / "things.json.gz"
        path.write_bytes(gzip.compress((tmp_path / "things.json").read_bytes()))
    release = read(path)
    found = by_code(release)
    assert (release.head.canonical, release.total) == ("http://example.org/things|7", 3)
    assert found["RW"].parents == ("W",)
    assert release.ancestors(found["RW"]) == ["W", "T"]
    assert found["W"].display_in("fr") == "Bidule"
    assert [one.text for one in found["W"].values("colour")] == ["red"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{", "no JSON"),
        (
            "a.json",
            '{"resourceType": "Patient", "url": "x", "concept": [{"code": "a"}]}',
            "no Code",
        ),
        ("a.json", '{"resourceType": "CodeSystem", "url": "x"}', "no concepts"),
        ("a.json", '{"resourceType": "CodeSystem", "url": "x", "concept": [{}]}', "no code"),
        ("a.csv", "name,display\na,b\n", "no column 'code'"),
        ("a.csv", "code,display\n,b\n", "line 2"),
        ("a.csv", "code,display\n", "no rows"),
        ("a.txt", "", "not read here"),
    ],
)
def test_what_is_no_code_system_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(MalformedContent, match=says):
        by_code(read(tmp_path / name, "http://example.org/things"))


def test_a_table_needs_its_system_and_a_folder_must_be_a_release(tmp_path):
    with pytest.raises(MalformedContent, match="--system"):
        read(releases.table(tmp_path))
    with pytest.raises(MalformedContent, match="no release"):
        read(tmp_path)
    with pytest.raises(MalformedContent, match="nothing at"):
        read(tmp_path / "none.csv")


def test_a_hierarchy_that_runs_in_a_circle_has_an_end(tmp_path):
    path = tmp_path / "circle.csv"
    path.write_text("code,parent\na,b\nb,a\n")
    release = read(path, "http://example.org/circle")
    assert [release.ancestors(one) for one in release.concepts()] == [["b"], ["a"]]
