"""What the indexer writes, checked by hand for the main types."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.errors import Unprocessable
from fhir_server.fhir import definitions
from fhir_server.search.collector import MAX_KEYS
from fhir_server.search.index import Indexer
from fhir_server.search.intervals import OPEN_END
from fhir_server.search.keys import Keys
from fhir_server.search.registry import Registry

BASE = "http://server.example/fhir"
INDEXER = Indexer(definitions.load(), Registry(definitions.load()), BASE)
DAY = 86_400_000_000


def index(type_: str, **content: Any) -> Keys:
    return INDEXER({"resourceType": type_, "id": "1", **content})


def named(keys: Keys, code: str) -> set[str]:
    """The values under one code."""
    return {key[len(code) + 1 :] for key in keys.k if key.startswith(f"{code}=")}


def test_every_resource_has_the_star() -> None:
    assert index("Basic").k == ["*"]
    assert index("Basic") == Keys(None, None, None, ["*"], [], b=["*"])


OBSERVATION: dict[str, Any] = {
    "status": "final",
    "category": [{"coding": [{"system": "urn:c", "code": "laboratory", "display": "Lab"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}], "text": "HbA1c (%)"},
    "subject": {"reference": "Patient/p1"},
    "encounter": {"reference": f"{BASE}/Encounter/e1"},
    "performer": [{"reference": "Practitioner/d1"}],
    "effectiveDateTime": "1970-01-02",
    "valueQuantity": {
        "value": Decimal("6.30"),
        "unit": "mm",
        "system": "http://unitsofmeasure.org",
        "code": "mm",
    },
}


def test_observation() -> None:
    keys = index("Observation", **OBSERVATION)
    assert (keys.p, keys.d, keys.e) == ("p1", DAY, 2 * DAY - 1)
    assert named(keys, "code") == {"http://loinc.org|4548-4", "4548-4"}
    assert named(keys, "code:text") == {"hba1c"}
    assert named(keys, "status") == {"final", "http://hl7.org/fhir/observation-status|final"}
    assert named(keys, "subject") == named(keys, "patient") == {"Patient/p1"}
    assert named(keys, "encounter") == {"Encounter/e1"}
    assert named(keys, "in") == {"Patient/p1", "Encounter/e1", "Practitioner/d1"}
    assert sorted(keys.s) == [
        "category",
        "code",
        "code-value-quantity",
        "date",
        "encounter",
        "patient",
        "performer",
        "status",
        "subject",
        "value-quantity",
    ]
    assert ("value-quantity|m", 0.0063, 0.0063, ()) in keys.r
    assert ("value-quantity", 6.3, 6.3, ("mm",)) in keys.r
    named_so = ("=http://loinc.org|4548-4",)
    assert ("code-value-quantity=4548-4&|m", 0.0063, 0.0063, named_so) in keys.r
    assert len(keys.r) == 4
    assert len(set(keys.k)) == len(keys.k)


def test_patient() -> None:
    keys = index(
        "Patient",
        name=[{"family": "Müller-Lévy", "given": ["Zoë"], "use": "official", "period": {}}],
        birthDate="1970-01-02",
        link=[{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        generalPractitioner=[{"reference": "Practitioner/d1"}],
    )
    assert (keys.p, keys.d, keys.e) == ("1", DAY, 2 * DAY - 1)
    assert named(keys, "name") == {"muller levy", "zoe"}
    assert named(keys, "family:exact") == {"Müller-Lévy"}
    assert named(keys, "phonetic") == {"m460 l100", "z000"}
    assert named(keys, "in") == {"Patient/1", "Patient/2", "Practitioner/d1"}
    assert named(keys, "deceased") == {"false", "http://hl7.org/fhir/special-values|false"}


@pytest.mark.parametrize(
    ("content", "dead"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2020"}, "true"),
    ],
)
def test_deceased_is_computed(content: dict[str, Any], dead: str) -> None:
    assert dead in named(index("Patient", **content), "deceased")


def test_a_period_without_end_is_long() -> None:
    keys = index("Encounter", period={"start": "1970-01-02"})
    assert (keys.d, keys.e) == (DAY, OPEN_END)
    assert "~date" in keys.k
    assert "~date" not in index("Encounter", period={"start": "1970", "end": "1970-01-01"}).k


def test_the_patient_is_left_out_where_there_are_several() -> None:
    def appointment(*ids: str) -> Keys:
        actors = [{"actor": {"reference": f"Patient/{id_}"}} for id_ in ids]
        return index("Appointment", participant=actors)

    assert appointment("a").p == "a"
    assert appointment("a", "a").p == "a"
    assert appointment("a", "b").p is None
    assert named(appointment("a", "b"), "in") == {"Patient/a", "Patient/b"}


def test_a_performer_is_no_patient_of_the_record() -> None:
    keys = index(
        "Observation", subject={"reference": "Patient/a"}, performer=[{"reference": "Patient/b"}]
    )
    assert keys.p == "a"
    assert named(keys, "in") == {"Patient/a", "Patient/b"}


def test_foreign_and_contained_references_are_in_no_compartment() -> None:
    keys = index("Observation", subject={"reference": "http://elsewhere.example/Patient/a"})
    assert keys.p is None
    assert named(keys, "in") == set()
    assert named(keys, "subject") == {"http://elsewhere.example/Patient/a"}
    contained = index(
        "Observation",
        subject={"reference": "#a"},
        contained=[{"resourceType": "Patient", "id": "a"}],
    )
    assert (contained.p, named(contained, "in"), named(contained, "patient")) == (
        None,
        set(),
        set(),
    )
    assert {"subject", "patient"} <= set(contained.s)


def test_q_35_an_element_with_only_extensions_has_no_value() -> None:
    absent = {"extension": [{"url": "urn:e", "valueCode": "unknown"}]}
    keys = index("Observation", code=absent, _status=absent, _effectiveDateTime=absent)
    assert keys == Keys(None, None, None, ["*"], [], b=["*"])


def test_long_text_is_found_in_pieces() -> None:
    words = " ".join(f"word{number}" for number in range(400))
    keys = index("Condition", onsetString=words)
    pieces = [
        key.partition("=")[2] for key in keys.k if key.startswith(("onset-info=", "onset-info+="))
    ]
    assert max(map(len, pieces)) <= 600
    for start in range(0, len(words) - 200):
        assert any(words[start : start + 200] in piece for piece in pieces)
    exact = next(iter(named(keys, "onset-info:exact")))
    assert len(exact) < 600
    other = index("Condition", onsetString=words[:-1] + "x")
    assert exact not in named(other, "onset-info:exact")


def test_too_many_values_are_an_error() -> None:
    concepts = [{"code": str(number)} for number in range(MAX_KEYS)]
    with pytest.raises(Unprocessable, match="at most"):
        index("CodeSystem", concept=concepts)


def test_too_long_values_are_an_error() -> None:
    text = " ".join(f"{number:x}" for number in range(200_000))
    assert len(index("Condition", onsetString=text).k) > 1_000
    with pytest.raises(Unprocessable, match="bytes"):
        index("Condition", onsetString=text, abatementString=text[::-1])


def test_a_value_that_cannot_be_read_is_an_error_with_its_place() -> None:
    with pytest.raises(Unprocessable) as caught:
        index("Observation", effectiveDateTime="yesterday")
    assert caught.value.issues[0].expression == ("Observation.effective",)


def test_the_data_of_attachments_has_no_words() -> None:
    data = "TGl2ZXI/IHllcyE="
    attachment = {"contentType": "text/plain", "data": data, "title": "The liver"}
    document = {"resourceType": "DocumentReference", "content": [{"attachment": attachment}]}
    assert INDEXER(document).t == ("the", "liver")
    assert INDEXER({"resourceType": "Binary", "data": data}).t == ()
