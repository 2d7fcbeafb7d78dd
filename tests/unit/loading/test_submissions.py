"""What the content of a file comes to."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from fhir_server.loading.submissions import Submission, Unloadable, submissions


def only(kind: str, body: bytes) -> Submission:
    (found,) = submissions(kind, io.BytesIO(body))
    assert isinstance(found, Submission)
    return found


def bundle(type_: str, *entries: dict[str, Any]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": type_, "entry": entries}).encode()


@pytest.mark.parametrize("type_", ["transaction", "batch"])
def test_a_transaction_or_batch_is_sent_as_it_is(type_):
    body = bundle(type_, {"request": {"method": "GET", "url": "Patient/1"}}, {})
    assert only(".json", body) == Submission("POST", "", body, 2)


@pytest.mark.parametrize("type_", ["collection", "searchset"])
def test_a_collection_becomes_one_transaction(type_):
    body = bundle(
        type_,
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "active": True}},
        {"fullUrl": "http://x/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}},
        {"link": [{"relation": "self", "url": "http://x"}]},
    )
    found = only(".json", body)
    assert (found.method, found.path) == ("POST", "")
    sent = json.loads(found.body)
    assert sent["type"] == "transaction"
    assert [entry["request"] for entry in sent["entry"]] == [
        {"method": "POST", "url": "Patient"},
        {"method": "PUT", "url": "Patient/p"},
    ]
    assert sent["entry"][0]["fullUrl"] == "urn:uuid:1"


def test_the_bytes_of_a_collections_resources_stay_as_they_are():
    resource = b'{ "resourceType":"Observation", "id":"o", "valueQuantity":{"value":1.50} }'
    body = b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":%s}]}' % resource
    assert resource in only(".json", body).body


@pytest.mark.parametrize(
    ("body", "method", "path"),
    [
        (b'{"resourceType":"Patient","id":"a"}', "PUT", "Patient/a"),
        (b'{"resourceType":"Patient"}', "POST", "Patient"),
        (b'{"resourceType":"Bundle","type":"document","id":"d"}', "PUT", "Bundle/d"),
        (b'{"resourceType":"Claim","type":{"text":"x"}}', "POST", "Claim"),
    ],
)
def test_a_single_resource_keeps_its_id(body, method, path):
    assert only(".json", body) == Submission(method, path, body, 1)


def test_xml_is_read_as_json():
    body = b'<Patient xmlns="http://hl7.org/fhir"><id value="x"/><active value="true"/></Patient>'
    found = only(".xml", body)
    assert (found.method, found.path) == ("PUT", "Patient/x")
    assert json.loads(found.body)["active"] is True


def test_each_line_of_ndjson_is_a_resource_and_a_bad_one_does_not_stop_the_rest():
    body = b'{"resourceType":"Patient","id":"a"}\n\nnonsense\n{"resourceType":"Patient"}\r\n{}'
    first, bad, second, empty = submissions(".ndjson", io.BytesIO(body))
    assert isinstance(first, Submission)
    assert isinstance(second, Submission)
    assert (first.path, first.place) == ("Patient/a", "line 1")
    assert (second.path, second.place) == ("Patient", "line 4")
    assert isinstance(bad, Unloadable)
    assert bad.place == "line 3"
    assert isinstance(empty, Unloadable)
    assert "resourceType" in str(empty)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (".json", b""),
        (".json", b"[]"),
        (".json", b'{"resourceType":7}'),
        (".json", b'{"name":"x"}'),
        (".json", b"\xff\xfe"),
        (".xml", b"<Patient"),
        (".json", b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":{}}]}'),
        (".json", b'{"resourceType":"Bundle","type":"collection","entry":{"a":1}}'),
    ],
)
def test_what_is_no_resource_says_so(kind, body):
    (found,) = submissions(kind, io.BytesIO(body))
    assert isinstance(found, Unloadable)
    assert str(found)


def test_a_line_that_is_too_long_is_passed_over_without_being_held():
    right = b'{"resourceType":"Patient","id":"%s"}'
    body = b"\n".join(
        [right % b"a", right % (b"b" * 100), right % (b"c" * 3_000_000), right % b"d"]
    )
    first, second, third, last = submissions(".ndjson", io.BytesIO(body), longest=len(right))
    assert isinstance(first, Submission)
    assert first.path == "Patient/a"
    for number, found in ((2, second), (3, third)):
        assert isinstance(found, Unloadable)
        assert found.place == f"line {number}"
        assert f"more than the {len(right)} bytes" in str(found)
    assert isinstance(last, Submission)
    assert (last.path, last.place) == ("Patient/d", "line 4")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_end_of_a_line_does_not_count(end):
    body = b'{"resourceType":"Patient"}'
    assert only(".ndjson", body + end).body == body
    (found,) = submissions(".ndjson", io.BytesIO(body + end), longest=len(body))
    assert isinstance(found, Submission)
    (found,) = submissions(".ndjson", io.BytesIO(body + end), longest=len(body) - 1)
    assert isinstance(found, Unloadable)
