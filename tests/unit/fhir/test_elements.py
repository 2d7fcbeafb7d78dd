"""Resources read element by element are what `codec.parse` makes of them, and share their parts."""

from __future__ import annotations

import pytest

from fhir_server.errors import FhirError
from fhir_server.fhir import codec, elements, references

CODE = b'"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Observation"}',
        b'{ "resourceType" : "Observation" , "status": "final",\n "valueInteger": 3 }',
        b'{"resourceType":"Observation","valueQuantity":{"value":1.50,"unit":"kg"},%b}' % CODE,
        b'{"note":[{"text":"\\"a\\" \\u00e9"}],"resourceType":"Observation"}',
        b'{"resourceType":"Observation","note":[{"text":"%b"}]}' % (b"x" * elements.LONGEST),
        b'{"a":1}',
        b'{"resourceType":5,"x":null,"y":[],"z":{}}',
    ],
)
def test_it_reads_what_parse_reads(body: bytes) -> None:
    for _ in range(2):
        content = elements.read(body)
        assert (content.resource, content.raw) == codec.parse(body)
        assert str(content.resource) == str(codec.parse(body)[0])
        assert list(content.resource) == list(content.elements)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"Observation"',
        b'{"resourceType":"Observation"',
        b'{"resourceType":"Observation","status":"final","status":"final"}',
        b'{"resourceType":"Observation","code":{"text":"a","text":"b"}}',
        b'{"resourceType":"Observation","status":"final","statu\\u0073":"final"}',
        b'{"resourceType":"Observation","code":{"text":"a","te\\u0078t":"b"}}',
        b'{"resourceType":"Observation","note":[{"text":"\\"a\\":","text":"b"}]}',
        b'{"resourceType":"Observation","valueQuantity":{"value":1e999}}',
        b'{"resourceType":"Observation","note":[{"text":"\xff"}]}',
        b'{"resourceType":"Observation","note":%b}' % (b"[" * 65 + b"]" * 65),
        b'{"resourceType":"Observation","note":%b}' % (b"[" * 5000 + b"]" * 5000),
        b'{"resourceType":"Observation","note":[01]}',
    ],
)
def test_it_refuses_what_parse_refuses(body: bytes) -> None:
    for _ in range(2):
        with pytest.raises(FhirError) as expected:
            codec.parse(body)
        with pytest.raises(FhirError) as found:
            elements.read(body)
        assert type(found.value) is type(expected.value)
        assert found.value.issues == expected.value.issues


def test_what_only_looks_like_a_key_is_no_fault() -> None:
    body = b'{"note":[{"text":"\\"a\\":"}],"resourceType":"Observation"}'
    content = elements.read(body)
    assert (content.resource, content.raw) == codec.parse(body)


def test_depth_counts_from_the_resource() -> None:
    body = b'{"resourceType":"Observation","note":%b}' % (b"[" * 4 + b"]" * 4)
    assert elements.read(body, max_depth=5).elements
    with pytest.raises(FhirError):
        elements.read(body, max_depth=4)


def test_the_same_element_of_a_type_is_one() -> None:
    first = elements.read(b'{"resourceType":"Observation","status":"final",%b}' % CODE)
    second = elements.read(b'{"resourceType":"Observation", %b ,"status":"amended"}' % CODE)
    other = elements.read(b'{"resourceType":"Condition",%b}' % CODE)
    assert second.elements["code"] is first.elements["code"]
    assert second.elements["status"] is not first.elements["status"]
    assert other.elements["code"] is not first.elements["code"]


def test_a_long_element_is_kept_by_nobody() -> None:
    text = b"x" * elements.LONGEST
    body = b'{"resourceType":"Observation","note":[{"text":"%b"}]}' % text
    assert elements.read(body).elements["note"] is not elements.read(body).elements["note"]


@pytest.mark.parametrize(
    ("raw", "alone"),
    [
        (b'{"reference":"Patient/1"}', True),
        (b'{"reference":"#p"}', False),
        (b'{"reference":"\\u0023p"}', False),
        (b'{"text":"x","extension":[]}', False),
        (b'{"text":"x","modifierExtension":[]}', False),
        (b'[{"resourceType":"Patient"}]', False),
    ],
)
def test_an_element_stands_alone_or_not(raw: bytes, alone: bool) -> None:
    assert elements.element(b'"Observation"', "subject", raw).alone is alone


def test_names_may_be_spelled_with_escapes() -> None:
    body = b'{"resourceType":"Observation","statu\\u0073":"final","note":[{"te\\u0078t":"\\/"}]}'
    content = elements.read(body)
    assert (content.resource, content.raw) == codec.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Observation","status":"final","note":[{"text": "a b"}]}',
        b'{"resourceType":"Observation", "status":"final","note":[{"text":"a b"}]}',
        b'{"resourceType":"Observation","status":"final","note":[{"text":"a b"}] }\n',
        b'\n{ "resourceType": "Observation","status":"final","note":[ {"text":"a b"} ]}',
    ],
)
def test_blanks_make_no_other_element(body: bytes) -> None:
    minified = b'{"resourceType":"Observation","status":"final","note":[{"text":"a b"}]}'
    known = elements.read(minified).elements
    content = elements.read(body)
    assert content.raw == minified
    assert content.elements == known


def test_an_element_may_be_deep() -> None:
    deep = b'{"resourceType":"Observation","note":%b}' % (b"[" * 40 + b"]" * 40)
    wide = b'{"resourceType":"Observation","note":[%b]}' % b",".join([b"[]"] * 100)
    assert elements.read(deep).elements
    assert elements.read(wide, max_depth=4).elements
    assert elements.read(deep, max_depth=41).resource == codec.decode(deep)
    with pytest.raises(FhirError):
        elements.read(deep, max_depth=40)


def test_what_seldom_comes_again_is_not_kept() -> None:
    body = (
        b'{"resourceType":"Observation","id":"a","issued":"2020-01-01T00:00:00Z","valueInteger":12,'
        b'"status":"final","code":{"text":"1"}}'
    )
    first, second = elements.read(body).elements, elements.read(body).elements
    same = {name for name in first if first[name] is second[name]}
    assert same == {"resourceType", "status", "code"}
    assert not any(first[name].alone for name in first.keys() - same)


def test_what_is_asked_for_again_and_again_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "KEPT", 20)
    monkeypatch.setattr(elements, "_KNOWN", elements._Kept())
    often = elements.element(b'"X"', "code", b'"often"')
    once = elements.element(b'"X"', "code", b'"once"')
    for number in range(100):
        elements.element(b'"X"', "code", b'"n%d"' % number)
        assert elements.element(b'"X"', "code", b'"often"') is often
    assert elements.element(b'"X"', "code", b'"once"') is not once
    assert len(elements._KNOWN) + len(elements._KNOWN._before) <= 20


BODY = (
    b'{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"},%b,'
    b'"performer":[{"reference":"urn:uuid:2"},{"reference":"urn:uuid:1"}]}' % CODE
)


def test_rewritten_content_knows_its_new_elements() -> None:
    def mapping(text: str) -> str | None:
        return {"urn:uuid:1": "Patient/1"}.get(text)

    content = elements.read(BODY)
    before = codec.encode(content.resource)
    new = references.rewrite_content(content, mapping)
    assert new.resource == references.rewrite(codec.decode(BODY), mapping)
    assert {name: one.value for name, one in new.elements.items()} == new.resource
    assert codec.encode(content.resource) == before
    assert new.elements["code"] is content.elements["code"]
    assert new.elements["subject"].value is new.resource["subject"]
    again = references.rewrite_content(elements.read(BODY), mapping)
    assert again.elements["performer"] is new.elements["performer"]


def test_content_without_links_to_rewrite_stays_itself() -> None:
    content = elements.read(BODY)
    assert references.rewrite_content(content, lambda text: None) is content


def test_content_that_is_not_known_by_elements_is_rewritten_too() -> None:
    content = elements.Content(*codec.parse(BODY))
    new = references.rewrite_content(content, lambda text: text.replace("urn:uuid:", "Patient/"))
    assert new.resource["performer"] == [{"reference": "Patient/2"}, {"reference": "Patient/1"}]
    assert codec.decode(new.raw) == new.resource


BODIES = [
    BODY,
    BODY[:-1] + b',"id":"a"}',
    BODY[:-1] + b',"id":"a","meta":{"source":"s","tag":[{"code":"\\u00e9"}]}}',
    b'{"id":"a","resourceType":"Observation","meta":{"versionId":"5","profile":["p"]}}',
    b'{"resourceType":"Observation","id":"a","meta":{"lastUpdated":"x"},"note":[{}],%b}' % CODE,
    b'{"resourceType":"Observation","id":"a","meta":{},"x\\"":[1.50,-0.0,"\\/"]}',
    b'{"resourceType":"Observation","id":"a","meta":{"profile":["%b"]}}' % (b"x" * 1000),
]


@pytest.mark.parametrize("body", BODIES)
def test_a_known_resource_is_stamped_like_its_bytes(body: bytes) -> None:
    content = elements.read(body)
    assert content.elements
    expected = codec.stamp(content.raw, "Observation", "b", 3, 1_795_293_300_123_000)
    known = content.elements
    assert elements.stamp(known, "Observation", "b", 3, 1_795_293_300_123_000) == expected


@pytest.mark.parametrize("body", BODIES)
def test_content_is_named_anew_without_a_change_to_the_old(body: bytes) -> None:
    content = elements.read(body)
    given = content.resource.get("id")
    new = elements.named(content, "b")
    assert new.resource == {**content.resource, "id": "b"}
    assert list(new.resource) == list({**content.resource, "id": "b"})
    assert content.resource.get("id") == given
    assert elements.named(new, "b") is new
    for name, known in new.elements.items():
        assert known.value is new.resource[name]
    assert new.resource.keys() - new.elements.keys() == {"id"}


def test_rewritten_content_keeps_its_name() -> None:
    content = elements.named(elements.read(BODY[:-1] + b',"id":"a"}'), "b")
    new = references.rewrite_content(content, lambda text: text.replace("urn:uuid:", "Patient/"))
    assert new.resource["id"] == "b"
    assert new.resource["performer"] == [{"reference": "Patient/2"}, {"reference": "Patient/1"}]
    expected = codec.stamp(codec.encode(new.resource), "Observation", "b", 1, 0)
    assert elements.stamp(new.elements, "Observation", "b", 1, 0) == expected
