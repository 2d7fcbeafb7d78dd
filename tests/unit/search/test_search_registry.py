"""The registry of search parameters."""

from __future__ import annotations

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import SearchParameter
from fhir_server.search.clinical_date import CLINICAL_DATE
from fhir_server.search.registry import Parameter, Registry

DEFINITIONS = definitions.load()
REGISTRY = Registry(DEFINITIONS)


def find(type_: str, code: str) -> Parameter:
    found = REGISTRY.find(type_, code)
    assert found is not None
    return found


def test_all_parameters_of_r4_are_there() -> None:
    urls = {one.url for type_ in DEFINITIONS.resource_types for one in REGISTRY.all(type_)}
    assert urls == {one.url for one in DEFINITIONS.search_parameters}
    assert len(urls) == 1375


def test_a_type_has_what_all_resources_have() -> None:
    codes = {one.code for one in REGISTRY.all("Patient")}
    assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_text", "name"} <= codes
    assert "_text" not in {one.code for one in REGISTRY.all("Bundle")}


def test_unknown_names_find_nothing() -> None:
    assert REGISTRY.find("Patient", "nome") is None
    assert REGISTRY.find("Patiant", "name") is None
    assert REGISTRY.all("Patiant") == ()


def test_nearest_spellings() -> None:
    assert REGISTRY.nearest("Observation", "subjct") == ("subject",)
    assert REGISTRY.nearest("Patient", "Familly") == ("family",)
    assert REGISTRY.nearest("Patient", "zzzzzz") == ()


def test_common_parameters_agree_in_type() -> None:
    codes = {one.code for one in REGISTRY.common(["Patient", "Observation", "Bundle"])}
    assert codes == {
        "_content",
        "_id",
        "_lastUpdated",
        "_profile",
        "_query",
        "_security",
        "_source",
        "_tag",
        "identifier",
    }
    # `code` of Observation is a token, `value` of both is not the same
    assert "code" in {one.code for one in REGISTRY.common(["Observation", "Condition"])}


def test_targets_are_what_the_element_and_the_expression_allow() -> None:
    assert find("Observation", "patient").targets == ("Patient",)
    assert set(find("Observation", "subject").targets) == {
        "Device",
        "Group",
        "Location",
        "Patient",
    }
    assert find("Encounter", "practitioner").targets == ("Practitioner",)
    assert len(find("Provenance", "target").targets) > 140


def test_unions_are_stored_as_their_sides() -> None:
    assert find("Observation", "combo-code").stored == ("code", "component-code")
    assert find("Observation", "combo-code-value-quantity").stored == (
        "code-value-quantity",
        "component-code-value-quantity",
    )
    assert find("Observation", "code").stored == ("code",)


def test_every_expression_but_one_is_a_plain_path_that_leads_somewhere() -> None:
    odd = {
        (type_, one.code)
        for type_ in DEFINITIONS.resource_types
        for one in REGISTRY.all(type_)
        if one.terms and (one.paths is None or not one.leaves)
    }
    assert odd == {("Patient", "deceased")}


def test_every_clinical_date_is_a_date_of_one_value() -> None:
    for type_, code in CLINICAL_DATE.items():
        parameter = find(type_, code)
        assert parameter.type == "date", (type_, code)
        assert parameter.single, (type_, code)
        assert parameter.clinical_date


def test_every_composite_has_its_parts() -> None:
    for type_ in DEFINITIONS.resource_types:
        for one in REGISTRY.all(type_):
            if one.type == "composite":
                assert len(one.components) >= 2, (type_, one.code)
                assert all(part.walks for part in one.components), (type_, one.code)


def test_the_patient_is_answered_by_p_where_there_is_one() -> None:
    assert find("Observation", "patient").patient
    assert find("Observation", "subject").patient
    assert find("Immunization", "patient").patient
    assert not find("Appointment", "patient").patient
    assert not find("Observation", "performer").patient


def custom(code: str, url: str = "http://example.org/sp") -> SearchParameter:
    return SearchParameter(code, url, code, "token", ("Patient",), "Patient.maritalStatus")


def test_adding_makes_a_new_registry() -> None:
    added = REGISTRY.add(custom("marital"))
    assert added.find("Patient", "marital") is not None
    assert REGISTRY.find("Patient", "marital") is None
    renamed = added.add(custom("married"))
    assert renamed.find("Patient", "marital") is None
    assert renamed.find("Patient", "married") is not None
    assert renamed.remove("http://example.org/sp").find("Patient", "married") is None
    r4 = find("Patient", "name").url
    assert REGISTRY.remove(r4).find("Patient", "name") is not None


def test_a_parameter_of_two_elements_may_have_two_values() -> None:
    def single(expression: str) -> bool:
        two = SearchParameter("two", "urn:two", "two", "date", ("Patient",), expression)
        found = REGISTRY.add(two).find("Patient", "two")
        assert found is not None
        return found.single

    assert single("Patient.birthDate")
    assert not single("Patient.birthDate | Patient.deceased.as(dateTime)")
    assert single("Patient.deceased.as(dateTime) | Patient.deceased.as(boolean)")
    assert not single("Patient.name.period")
