"""What single elements add to the keys of their resource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.fhir import definitions, elements
from fhir_server.fhir.definitions import Component, SearchParameter
from fhir_server.search.collector import Collector
from fhir_server.search.entries import entries
from fhir_server.search.index import Indexer
from fhir_server.search.keys import Keys
from fhir_server.search.registry import Registry
from fhir_server.search.shares import Shares

LOADED = definitions.load()
BASE = "http://server.example/fhir"
ISSUED = SearchParameter("issued", "urn:i", "issued", "date", ("Observation",), "issued")


def shares(registry: Registry, type_: str) -> Shares:
    plain = [one for one in registry.all(type_) if one.paths is not None and one.code != "_id"]
    return Shares(LOADED, type_, plain)


@pytest.mark.parametrize("type_", LOADED.resource_types)
def test_mute_elements_say_nothing(type_: str) -> None:
    found = shares(Registry(LOADED), type_)
    assert {"resourceType", "id"} <= found.mute
    for name in found.mute:
        out, untouched = Collector({}, BASE), Collector({}, BASE)
        found.look(name, "word", out)
        slots = Collector.__slots__
        assert [getattr(out, one) for one in slots] == [getattr(untouched, one) for one in slots]


def test_an_added_parameter_hears_an_element() -> None:
    plain, added = Registry(LOADED), Registry(LOADED, [ISSUED])
    assert "issued" in shares(plain, "Observation").mute
    assert "issued" not in shares(added, "Observation").mute
    resource = {"resourceType": "Observation", "issued": "1970-01-01T00:00:00Z"}
    assert not Indexer(LOADED, plain, BASE)(resource).r
    assert Indexer(LOADED, added, BASE)(resource).r == [("issued", 0, 999_999, ())]


def content(**changed: Any) -> elements.Content:
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "1-2"}],
            "text": "Taken at rest",
        },
        "valueQuantity": {"value": 5, "unit": "kg"},
        "effectiveDateTime": "1970-01-02",
        "subject": {"reference": "Patient/p"},
        **changed,
    }
    said = {name: value for name, value in resource.items() if value is not None}
    return elements.read(json.dumps(said).encode())


def sets(keys: Keys) -> tuple[Any, ...]:
    return (*keys[:3], *(set(one or ()) for one in keys[3:]))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"valueQuantity": {"value": 6, "unit": "kg"}},
        {"valueQuantity": None},
        {"code": {"text": "no coding"}},
        {"valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": "1"}},
        {"subject": {"reference": "Patient/q"}},
        {"effectiveDateTime": None},
        {"note": [{"text": "Other words"}]},
    ],
)
def test_known_and_new_elements_add_up(changed: dict[str, Any]) -> None:
    indexer = Indexer(LOADED, Registry(LOADED), BASE)
    usual = content()
    alone = sets(indexer(usual.resource))
    for _ in range(3):
        assert sets(indexer(usual.resource, usual.elements)) == alone
    other = content(**changed)
    assert sets(indexer(other.resource, other.elements)) == sets(indexer(other.resource))
    assert sets(indexer(usual.resource, usual.elements)) == alone, "a share was changed"


def test_values_beyond_a_composite_are_joined_under_a_name_of_their_own() -> None:
    indexer = Indexer(LOADED, Registry(LOADED), BASE)
    samples = {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": "1 3"}
    found = indexer(content(valueQuantity=None, valueSampledData=samples).resource)
    assert ("code-value-quantity+=1-2&", 1.0, 3.0, ("=http://loinc.org|1-2",)) in found.r
    assert "code-value-quantity" not in found.s


STATUS_AND_CODE = SearchParameter(
    *("status", "urn:s", "status", "composite", ("Observation",), "Observation"),
    components=(
        Component("http://hl7.org/fhir/SearchParameter/Observation-status", "status"),
        Component("http://hl7.org/fhir/SearchParameter/clinical-code", "code"),
    ),
)
PATIENTS = SearchParameter("patient", "urn:p", "patient", "token", ("Basic",), "Basic.code")


@pytest.mark.parametrize(
    "resource",
    [
        content().resource,
        content(subject={"reference": "Group/1"}).resource,
        content(
            subject=None, performer=[{"reference": "Patient/a"}, {"reference": "Device/d"}]
        ).resource,
        content(encounter={"reference": "Encounter/e"}, device={"reference": "Device/d"}).resource,
        content(status=None, category=[{"coding": [{"code": "a"}, {"code": "b"}]}]).resource,
        content(contained=[{"resourceType": "Patient", "id": "c", "gender": "male"}]).resource,
        {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-01-01"},
        {"resourceType": "Patient", "link": [{"other": {"reference": "Patient/q"}}]},
        {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p"}},
        {"resourceType": "Account", "subject": [{"reference": f"Patient/{n}"} for n in "ab"]},
        {"resourceType": "Basic", "code": {"coding": [{"code": "Patient/x"}, {"code": "y"}]}},
    ],
)
@pytest.mark.parametrize("added", [(), (STATUS_AND_CODE, PATIENTS)])
def test_entries_of_the_index_are_those_of_the_keys(
    resource: dict[str, Any], added: tuple[SearchParameter, ...]
) -> None:
    indexer = Indexer(LOADED, Registry(LOADED, added), BASE)
    raw = json.dumps(resource).encode()
    for _ in range(3):
        known = elements.read(raw)
        keys = indexer(known.resource, known.elements)
        assert keys.b is not None
        assert len(set(keys.k)) == len(keys.k)
        assert sorted(keys.b) == sorted(entries(resource["resourceType"], keys.p, keys.k))


def test_entries_go_by_the_names_of_keys_whatever_parameter_made_them() -> None:
    indexer = Indexer(LOADED, Registry(LOADED, [STATUS_AND_CODE, PATIENTS]), BASE)
    found = indexer(content().resource)
    assert "status=final$1-2" in found.k
    basic = {"resourceType": "Basic", "code": {"coding": [{"code": "Patient/x"}]}}
    assert "Patient/x *" in (indexer(basic).b or ())
