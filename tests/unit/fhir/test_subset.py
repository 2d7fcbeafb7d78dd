"""`_summary` and `_elements`: what stays of a resource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.errors import MalformedRequest
from fhir_server.fhir.definitions import load
from fhir_server.fhir.subset import SUBSETTED, subset_bytes

OBSERVATION = (
    b'{"resourceType":"Observation","id":"1","meta":{"versionId":"1","tag":[{"code":"t"}]},'
    b'"text":{"status":"generated","div":"<div/>"},"extension":[{"url":"u"}],"status":"final",'
    b'"_status":{"id":"s"},"category":[{"text":"c"}],"code":{"text":"x"},'
    b'"valueQuantity":{"value":1.50},"note":[{"text":"n"}],'
    b'"component":[{"code":{"text":"y"},"valueInteger":2,"interpretation":[{"text":"i"}]}]}'
)


def part(raw: bytes, *query: tuple[str, str]) -> dict[str, Any]:
    trimmed = subset_bytes(raw, query, load())
    assert trimmed is not None
    found: dict[str, Any] = json.loads(trimmed)
    assert SUBSETTED in found["meta"]["tag"]
    return found


def names(raw: bytes, *query: tuple[str, str]) -> set[str]:
    return set(part(raw, *query)) - {"resourceType", "id", "meta"}


@pytest.mark.parametrize("query", [(), (("_summary", "false"),), (("code", "x"),)])
def test_the_whole_is_not_touched(query: tuple[tuple[str, str], ...]) -> None:
    assert subset_bytes(OBSERVATION, query, load()) is None


def test_summary_true_keeps_summary_elements_with_their_extensions() -> None:
    kept = names(OBSERVATION, ("_summary", "true"))
    assert kept == {"status", "_status", "code", "valueQuantity", "component"}


def test_summary_true_trims_backbones_to_their_summary() -> None:
    [component] = part(OBSERVATION, ("_summary", "true"))["component"]
    assert component == {"code": {"text": "y"}, "valueInteger": 2}


def test_summary_text_keeps_narrative_and_mandatory_elements() -> None:
    assert names(OBSERVATION, ("_summary", "text")) == {"text", "status", "_status", "code"}


def test_summary_data_leaves_the_narrative_out() -> None:
    kept = names(OBSERVATION, ("_summary", "data"))
    assert "text" not in kept
    assert {"note", "category", "valueQuantity", "extension"} <= kept


def test_elements_keep_mandatory_and_modifier_elements_too() -> None:
    assert names(OBSERVATION, ("_elements", "value, note")) == {
        "valueQuantity",
        "note",
        "status",
        "_status",
        "code",
    }


def test_elements_of_another_type_do_not_trim_this_one() -> None:
    assert subset_bytes(OBSERVATION, [("_elements", "Patient.name")], load()) is None
    assert "note" in names(OBSERVATION, ("_elements", "Patient.name,Observation.note"))


def test_decimals_and_tags_stay() -> None:
    trimmed = subset_bytes(OBSERVATION, [("_elements", "value")], load())
    assert trimmed is not None
    assert b'"value":1.50' in trimmed
    assert b'"tag":[{"code":"t"},{' in trimmed


def test_a_resource_without_meta_gets_the_tag_once() -> None:
    once = subset_bytes(b'{"resourceType":"Patient","id":"1"}', [("_summary", "true")], load())
    assert once is not None
    twice = subset_bytes(once, [("_summary", "true")], load())
    assert twice is not None
    assert json.loads(twice)["meta"] == {"tag": [SUBSETTED]}


@pytest.mark.parametrize(
    "query",
    [
        (("_summary", "yes"),),
        (("_summary", "count"),),
        (("_elements", "nothing"),),
        (("_elements", "valueQuantity"),),
        (("_summary", "true"), ("_elements", "note")),
    ],
)
def test_what_is_not_known_is_refused(query: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(MalformedRequest):
        subset_bytes(OBSERVATION, query, load())


@pytest.mark.parametrize("summary", ["true", "text", "data"])
def test_every_type_can_be_trimmed(summary: str) -> None:
    for type_ in load().resource_types:
        raw = json.dumps({"resourceType": type_, "id": "1", "meta": {}}).encode()
        assert part(raw, ("_summary", summary))["resourceType"] == type_
