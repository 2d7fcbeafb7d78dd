"""Links of many resources of one Bundle: what is the same for all is worked out once."""

from __future__ import annotations

import pytest

from fhir_server.access.grant import Grant
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec, elements, references
from fhir_server.interactions.bundle_entries import Entry
from fhir_server.interactions.entry_request import EntryRequest
from fhir_server.interactions.links import Links
from fhir_server.interactions.steps import Phase, Step

SUBJECT = b'{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}'
BOTH = (
    b'{"resourceType":"Observation","derivedFrom":'
    b'[{"reference":"urn:uuid:1"},{"reference":"Patient/2"}]}'
)


def test_what_is_settled_is_not_asked_again() -> None:
    settled = references.Settled()
    asked: list[str] = []

    def mapping(text: str) -> str | None:
        asked.append(text)
        settled.texts[text] = "Patient/1"
        return "Patient/1"

    first = references.rewrite_content(elements.read(SUBJECT), mapping, settled)
    asked.clear()
    again = references.rewrite_content(elements.read(SUBJECT), mapping, settled)
    assert not asked
    assert again.elements["subject"] is first.elements["subject"]
    assert again == first
    assert first.elements["subject"].raw == b'{"reference":"Patient/1"}'


def test_an_element_is_settled_when_all_its_texts_are() -> None:
    settled = references.Settled({"urn:uuid:1": "Patient/1"})
    for expected in ("Patient/3", "Patient/4"):
        answers = {"urn:uuid:1": "Patient/1", "Patient/2": expected}
        content = references.rewrite_content(elements.read(BOTH), answers.get, settled)
        assert content.resource["derivedFrom"] == [
            {"reference": "Patient/1"},
            {"reference": expected},
        ]
        assert content.elements["derivedFrom"].value is content.resource["derivedFrom"]


def test_what_stays_is_settled_too() -> None:
    settled = references.Settled({"urn:uuid:1": None})
    content = elements.read(SUBJECT)
    for _ in range(2):
        assert references.rewrite_content(content, lambda text: None, settled) is content


NEW = "urn:uuid:0b1c"
HIDDEN = [
    b'"subject":{"reference":"urn:uuid:0b1c"}',
    b'"subject":{"reference":"urn\\u003auuid:0b1c"}',
    b'"subject":{"reference":"\\u0075rn:uuid:0b1c"}',
    b'"subject":{"reference":"urn:uuid:0b1c/_history/1"}',
    b'"subject":{"reference":"Patient?identifier=1"}',
    b'"subject":{"reference":"Patient\\u003fidentifier=1"}',
    b'"text":{"status":"generated","div":"<div><a href=\'urn&#58;uuid:0b1c\'>x</a></div>"}',
    b'"text":{"status":"generated","div":"<div><a href=\\"urn:uuid:0b1c\\">x</a></div>"}',
    b'"code":{"coding":[{"system":"urn:uuid:0b1c"}]}',
    b'"identifier":[{"system":"http://example.org","value":"urn:uuid:0b1c"}]',
    b'"contained":[{"resourceType":"Patient","link":[{"other":{"reference":"urn:uuid:0b1c"}}]}]',
]


def marks_of(*urls: str) -> tuple[bytes, ...]:
    """The marks of a Bundle whose entries have these fullUrls."""
    asked = EntryRequest("POST", "Patient")
    own = FhirRequest("POST", "Patient", Grant.open(), "http://x/fhir")
    entries = [Entry(at, f"Bundle.entry[{at}]", url, asked, b"") for at, url in enumerate(urls)]
    return Links([Step(one, one.index, Phase.CREATE, own) for one in entries]).marks


@pytest.mark.parametrize("member", HIDDEN)
def test_no_link_hides_from_the_marks(member: bytes) -> None:
    marks = marks_of(NEW)
    assert marks
    texts = {
        NEW: "Patient/1",
        f"{NEW}/_history/1": "Patient/1",
        "Patient?identifier=1": "Patient/2",
    }
    content = elements.read(b'{"resourceType":"Observation",%b}' % member)
    expected = references.rewrite(codec.decode(content.raw), texts.get)
    settled = references.Settled(marks=marks)
    assert references.rewrite_content(content, texts.get, settled).resource == expected


def test_other_addresses_than_urns_have_no_marks() -> None:
    assert marks_of(NEW, "http://example.org/fhir/Patient/1") == ()


def test_what_has_no_mark_is_not_asked_about() -> None:
    content = elements.read(b'{"resourceType":"Observation","code":{"coding":[{"system":"a:b"}]}}')
    settled = references.Settled(marks=(b"urn:",))
    assert references.rewrite_content(content, lambda text: "c:d", settled) is content
    assert references.rewrite_content(content, lambda text: "c:d").resource["code"] == {
        "coding": [{"system": "c:d"}]
    }
