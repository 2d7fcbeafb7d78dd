"""Links of many resources of one Bundle: what is the same for all is worked out once."""

from __future__ import annotations

from fhir_server.fhir import codec, elements, references

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
    assert first.raw == SUBJECT.replace(b"urn:uuid:1", b"Patient/1")


def test_an_element_is_settled_when_all_its_texts_are() -> None:
    settled = references.Settled({"urn:uuid:1": "Patient/1"})
    for expected in ("Patient/3", "Patient/4"):
        answers = {"urn:uuid:1": "Patient/1", "Patient/2": expected}
        content = references.rewrite_content(elements.read(BOTH), answers.get, settled)
        assert content.resource["derivedFrom"] == [
            {"reference": "Patient/1"},
            {"reference": expected},
        ]
        assert codec.decode(content.raw) == content.resource


def test_what_stays_is_settled_too() -> None:
    settled = references.Settled({"urn:uuid:1": None})
    content = elements.read(SUBJECT)
    for _ in range(2):
        assert references.rewrite_content(content, lambda text: None, settled) is content
