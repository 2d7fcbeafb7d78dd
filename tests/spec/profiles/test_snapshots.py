"""Snapshots: R4's own profiles and extensions have theirs, which ours must come to."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.profiles.build_archive import build
from fhir_server.validation.profiles.ids import with_ids
from fhir_server.validation.profiles.library import ARCHIVE, folder, load
from fhir_server.validation.profiles.snapshot import SnapshotFault, make_snapshot
from tests.oracles import shared

LIBRARY = load()
CORE = "http://hl7.org/fhir/StructureDefinition/"
SPELLED_OTHERWISE = {
    "bp": "a type slice without its name",
    "catalog": "a slice of an element that is not listed",
    "cholesterol": "constraints of SimpleQuantity left out",
    "elementdefinition-de": "children that the differential does not touch",
    "familymemberhistory-genetic": "slices of elements that are not listed",
    "hdlcholesterol": "constraints of SimpleQuantity left out",
    "ldlcholesterol": "constraints of SimpleQuantity left out",
    "provenance-relevant-history": "a contentReference into a slice",
}
"""R4's snapshots that differ from what their differentials say, and how."""


def constraints() -> list[dict[str, Any]]:
    found = []
    for url in LIBRARY.urls():
        definition = LIBRARY.find(url)
        if definition is not None and definition.get("derivation") == "constraint":
            found.append(definition)
    return found


def told(element: dict[str, Any]) -> dict[str, Any]:
    """What an element demands, without how it is worded."""
    kept = {
        name: value
        for name, value in element.items()
        if name in ("min", "max", "contentReference", "mustSupport")
        or name.startswith(("fixed", "pattern"))
    }
    binding = element.get("binding", {})
    kept["binding"] = (binding.get("strength"), binding.get("valueSet"))
    kept["constraint"] = {one["key"] for one in element.get("constraint", ())}
    kept["type"] = sorted(
        (one["code"], str(one.get("profile")), str(one.get("targetProfile")))
        for one in element.get("type", ())
    )
    return kept


def test_generated_snapshots_are_those_of_r4() -> None:
    differing = set()
    definitions = constraints()
    for definition in definitions:
        bare = {name: value for name, value in definition.items() if name != "snapshot"}
        made = make_snapshot(bare, LIBRARY.find)
        wanted = with_ids(definition["snapshot"]["element"])
        if [(e["id"], told(e)) for e in made] != [(e["id"], told(e)) for e in wanted]:
            differing.add(definition["id"])
    assert len(definitions) == 439
    assert differing == SPELLED_OTHERWISE.keys()


def definition(*elements: dict[str, Any], base: str = f"{CORE}Patient") -> dict[str, Any]:
    return {
        "url": "http://example.org/p",
        "baseDefinition": base,
        "differential": {"element": list(elements)},
    }


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (definition(base="http://example.org/nothing"), "is not known"),
        (definition({"path": "Patient.nothing"}), "Patient.nothing"),
        ({"url": "http://example.org/p"}, "neither a snapshot nor a baseDefinition"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SnapshotFault, match=says):
        make_snapshot(wrong, LIBRARY.find)


def test_a_circle_of_bases_ends() -> None:
    circle = definition(base="http://example.org/p")
    with pytest.raises(SnapshotFault, match="derives from itself"):
        make_snapshot(circle, lambda url: circle)


def test_what_is_below_a_type_a_slice_and_a_content_reference_is_written_out() -> None:
    made = make_snapshot(
        definition(
            {"path": "Observation.component", "slicing": {"rules": "open"}},
            {"path": "Observation.component", "sliceName": "a", "min": 1},
            {"path": "Observation.component.valueQuantity.code", "fixedCode": "kg"},
            {"path": "Observation.component.referenceRange.low", "max": "0"},
            base=f"{CORE}Observation",
        ),
        LIBRARY.find,
    )
    found = {element["id"]: element for element in made}
    code = found["Observation.component:a.value[x]:valueQuantity.code"]
    assert (code["fixedCode"], code["path"]) == ("kg", "Observation.component.value[x].code")
    assert found["Observation.component:a.referenceRange.low"]["max"] == "0"
    assert "Observation.component.referenceRange.low" not in found


@pytest.mark.oracles
def test_the_archive_is_made_of_the_official_bundles() -> None:
    assert (folder() / ARCHIVE).read_bytes() == build(shared("data/definitions"))
