"""The short way to open a Bundle takes none whose entries have more in them than it sees."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fhir_server.interactions.pace import Pace
from fhir_server.interactions.usual_frame import Opened, open_usual

PATIENT = {"resourceType": "Patient", "id": "é", "text": 'a "entry":[ b'}
REQUEST = {"method": "POST", "url": "Patient"}


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {"fullUrl": f"urn:oid:1.{number}", "resource": PATIENT, "request": REQUEST, **more}


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(*entries: Any, **more: Any) -> str:
    return compact({"resourceType": "Bundle", "type": "batch", "entry": entries, **more})


def opened(body: str) -> tuple[Any, list[Opened]] | None:
    return asyncio.run(open_usual(body.encode(), 100_000, 20, Pace()))


@pytest.mark.parametrize("number", [0, 1, 2, 120])
def test_the_entries_are_those_of_the_bundle(number: int) -> None:
    entries = [entry(place) for place in range(number)]
    found = opened(text(*entries, id="x"))
    assert found is not None
    frame, read = found
    assert frame == {"resourceType": "Bundle", "type": "batch", "entry": [], "id": "x"}
    assert [one.members | {"resource": json.loads(one.raw)} for one in read] == entries
    assert {one.request for one in read} <= {compact(REQUEST).encode()}


def test_white_space_is_no_other_form() -> None:
    body = text(entry(1), entry(2), link=[{"relation": "self", "url": "http://a"}])
    assert opened(json.dumps(json.loads(body), ensure_ascii=False, indent=2)) == opened(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("[]", id="an array"),
        pytest.param("{", id="no JSON"),
        pytest.param(text()[:-1], id="cut off"),
        pytest.param(text()[:-1] + ',"entry":[]}', id="entries twice, both empty"),
        pytest.param(text(entry(1))[:-1] + f',"entry":[{compact(entry(1))}]}}', id="entries twice"),
        pytest.param(text(entry(1))[:-1] + ',"type":"batch"}', id="a member twice"),
        pytest.param(compact({"resourceType": "Bundle", "type": "batch"}), id="no entries"),
        pytest.param(text(entry(1)).replace("[{", "{").replace("}]", "}"), id="no array"),
        pytest.param(text(entry(1), None), id="an entry that is none"),
        pytest.param(text(entry(1, search={})), id="another member"),
        pytest.param(text({"fullUrl": "a:b", "resource": PATIENT}), id="no request"),
        pytest.param(text({"resource": PATIENT, "request": REQUEST}), id="no fullUrl"),
        pytest.param(text({"fullUrl": "a:b", "request": REQUEST}), id="no resource"),
        pytest.param(text(dict(reversed(entry(1).items()))), id="another order"),
        pytest.param(text(entry(1, resource=[])), id="a resource that is none"),
        pytest.param(text(entry(1, request=[])), id="a request that is none"),
        pytest.param(text(entry(1, fullUrl=5)), id="a fullUrl that is none"),
        pytest.param(text(entry(1, fullUrl="")), id="an empty fullUrl"),
        pytest.param(text(entry(1, fullUrl="a b")), id="a blank in a fullUrl"),
        pytest.param(text(entry(1)).replace("urn:", "\\u0075rn:"), id="a fullUrl escaped"),
        pytest.param(
            text(entry(1)).replace('"request"', '"request":{},"request"'), id="a request twice"
        ),
        pytest.param(
            text(entry(1)).replace('"method"', '"method":"GET","method"'), id="a method twice"
        ),
        pytest.param(
            '{"resourceType":"Bundle","x":' + text(entry(1)) + "," + text(entry(1))[1:],
            id="the same entries in something else before",
        ),
        pytest.param(
            text(entry(1, request={"a": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]})), id="too deep"
        ),
        pytest.param(text(entry(1), x="x" * 200_000), id="a frame too long"),
    ],
)
def test_any_other_form_is_left_to_the_long_way(body: str) -> None:
    assert opened(body) is None


def test_the_same_entries_elsewhere_are_no_hindrance_behind() -> None:
    inner = json.loads(text(entry(1)))
    found = opened(text(entry(1), x=inner))
    assert found is not None
    assert found[0]["x"] == inner
