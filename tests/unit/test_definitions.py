"""The compiled table of R4: counts that the specification states, and places easy to miss."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fhir_server.fhir import build_definitions
from fhir_server.fhir.definitions import load
from tests.oracles import shared

R4 = load()
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"


def test_counts_are_those_of_r4() -> None:
    assert R4.version == "4.0.1"
    assert len(R4.resource_types) == 146
    assert len(R4.search_parameters) == 1375
    assert len(R4.operations) == 46
    assert sorted(R4.compartments) == [
        "Device", "Encounter", "Patient", "Practitioner", "RelatedPerson",
    ]  # fmt: skip
    assert "Resource" not in R4.resource_types
    assert R4.types["DomainResource"].abstract


def test_elements_keep_the_order_of_the_snapshot() -> None:
    names = list(R4.types["Patient"].elements)
    assert names[:10] == [
        "id", "meta", "implicitRules", "language", "text", "contained", "extension",
        "modifierExtension", "identifier", "active",
    ]  # fmt: skip


def test_element_says_what_the_snapshot_says() -> None:
    gender = R4.types["Patient"].elements["gender"]
    assert (gender.types, gender.min, gender.max, gender.summary) == (("code",), 0, 1, True)
    assert R4.codes(gender.binding or "") == {"male", "female", "other", "unknown"}
    managing = R4.types["Patient"].elements["managingOrganization"]
    assert managing.targets == ("Organization",)
    assert R4.types["Observation"].elements["status"].modifier
    assert R4.types["Observation"].elements["status"].min == 1
    assert R4.types["Patient"].elements["name"].many
    assert not R4.types["Patient"].elements["birthDate"].many
    assert R4.types["Provenance"].elements["target"].targets == ()


def test_system_types_become_fhir_types() -> None:
    assert R4.types["Patient"].elements["id"].types == ("id",)
    assert R4.types["Period"].elements["id"].types == ("string",)
    assert R4.types["Extension"].elements["url"].types == ("uri",)
    assert R4.types["Narrative"].elements["div"].types == ("xhtml",)


def test_representation_is_kept_for_xml() -> None:
    assert R4.types["Extension"].elements["url"].representation == "xmlAttr"
    assert R4.types["xhtml"].elements["value"].representation == "xhtml"


def test_choices_are_spelled_out_for_json() -> None:
    json = R4.types["Observation"].json
    element, code = json["valueCodeableConcept"]
    assert (element.name, code) == ("value", "CodeableConcept")
    assert "value" not in json
    assert json["effectiveDateTime"][1] == "dateTime"


def test_content_references_lead_to_the_backbone() -> None:
    assert R4.types["Observation.component"].elements["referenceRange"].content == (
        "Observation.referenceRange"
    )
    assert R4.types["Questionnaire.item"].elements["item"].content == "Questionnaire.item"
    assert R4.types["Patient.contact"].kind == "backbone"
    assert R4.types["Timing.repeat"].base == "Element"
    for definition in R4.types.values():
        for element in definition.elements.values():
            assert element.content is None or element.content in R4.types
            assert all(code in R4.types for code in element.types)


def test_open_value_sets_have_no_codes() -> None:
    assert R4.codes(VALUE_SETS + "mimetypes") is None
    assert R4.codes(VALUE_SETS + "ucum-units") is None
    assert R4.codes("http://loinc.org/vs/LL379-9") is None
    assert len(R4.codes(VALUE_SETS + "resource-types") or ()) == 148
    assert "EUR" in (R4.codes(VALUE_SETS + "currencies") or ())


def test_every_required_binding_is_in_the_table() -> None:
    bound = {e.binding for t in R4.types.values() for e in t.elements.values() if e.binding}
    assert len(bound) == 224
    assert sum(R4.codes(url) is None for url in bound) == 3
    assert all(R4.codes(url) != frozenset() for url in bound)


def test_search_parameters_keep_components_and_targets() -> None:
    by_url = {p.url.rpartition("/")[2]: p for p in R4.search_parameters}
    composite = by_url["Observation-code-value-quantity"]
    assert [c.expression for c in composite.components] == ["code", "value.as(Quantity)"]
    assert by_url["clinical-patient"].target == ("Patient", "Group")
    assert by_url["Resource-lastUpdated"].expression == "Resource.meta.lastUpdated"
    assert sum(p.expression is None for p in R4.search_parameters) == 3


def test_operations_keep_nested_parameters() -> None:
    lookup = next(o for o in R4.operations if o.id == "CodeSystem-lookup")
    assert (lookup.system, lookup.type, lookup.instance) == (False, True, False)
    assert not lookup.affects_state
    designation = next(p for p in lookup.parameters if p.name == "designation")
    assert [p.name for p in designation.parts] == ["language", "use", "value"]


def test_compartments_name_parameters_that_exist() -> None:
    assert R4.compartments["Patient"]["Observation"] == ("subject", "performer")
    known = {(b, p.code) for p in R4.search_parameters for b in p.base}
    for members in R4.compartments.values():
        for type_, codes in members.items():
            assert all(code == "{def}" or (type_, code) in known for code in codes)


def test_invariants_are_stated_once_where_they_belong() -> None:
    assert [i.key for i in R4.types["Patient.contact"].invariants] == ["pat-1"]
    dom6 = next(i for i in R4.types["DomainResource"].invariants if i.key == "dom-6")
    assert (dom6.severity, dom6.best_practice) == ("warning", True)
    assert "ele-1" not in {i.key for i in R4.types["Patient"].invariants}
    assert [i.key for i in R4.types["Element"].invariants] == ["ele-1"]
    assert "sqty-1" in {i.key for i in R4.invariants["Observation.referenceRange.low"]}
    assert {i.key for i in R4.types["Age"].invariants} == {"age-1"}


def test_types_know_their_ancestors() -> None:
    assert R4.is_a("Patient", "DomainResource")
    assert R4.is_a("Age", "Quantity")
    assert not R4.is_a("Bundle", "DomainResource")
    assert not R4.is_a("Nothing", "Element")


def test_rebuilding_gives_the_same_bytes() -> None:
    built = build_definitions.build(shared("data/definitions"))
    committed = Path(build_definitions.__file__).parent / "data/r4.json.zst"
    assert built == committed.read_bytes()


def test_inputs_other_than_the_official_ones_are_refused(tmp_path: Path) -> None:
    for path in shared("data/definitions").glob("Bundle-*.zst"):
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "Bundle-types.json.zst").unlink()
    (tmp_path / "Bundle-types.json").write_text('{"resourceType": "Bundle"}')
    with pytest.raises(ValueError, match=r"Bundle-types\.json is not the file of R4"):
        build_definitions.build(tmp_path)
