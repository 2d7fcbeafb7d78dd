"""JSON in and out: numbers to the letter, and every fault refused with its place."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.errors import MalformedContent, TooLarge
from fhir_server.fhir import codec

LITERALS = ["1.0", "1.00", "1.2E+2", "1.2e2", "1e-9", "0.0000001", "-0.0", "100.50", "1E-7", "3.14"]


@pytest.mark.parametrize("literal", LITERALS)
def test_decimals_keep_their_spelling(literal: str) -> None:
    body = b'{"value":%b}' % literal.encode()
    resource = codec.decode(body)
    assert resource["value"] == Decimal(literal)
    assert isinstance(resource["value"], Decimal)
    assert codec.encode(resource) == body


def test_integers_stay_integers_of_any_size() -> None:
    body = b'{"a":-0,"b":123456789012345678901234567890}'
    assert codec.decode(body) == {"a": 0, "b": 123456789012345678901234567890}
    assert codec.parse(body)[1] == body


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_python_writes_is_read_alike(value: object) -> None:
    tree = {"value": value}
    assert codec.decode(json.dumps(tree, ensure_ascii=False).encode()) == tree
    assert codec.decode(json.dumps(tree, indent=1).encode()) == tree
    assert json.loads(codec.encode(tree)) == tree


FAULTS = [
    (b"", "empty"),
    (b"   ", "empty"),
    (b"[]", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    ('{"a":"é"}'.encode("utf-16"), "byte order mark"),
    (b'{\n"a":"\xff"}', "byte 0xff at line 2, column 6"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    (b'{"a":"\\udc00"}', "surrogate pair"),
    (b'{"a":"\\ud800 follows nothing"}', "hex escape"),
    (b'{"a":"\\ud800"}', "not JSON"),
    (b'{"a":NaN}', "line 1, column 6"),
    (b'{"a":Infinity}', "line 1, column 6"),
    (b'{"a":1}\n  x', "trailing characters at line 2"),
    (b'{"a":1,}', "trailing comma"),
    (b'{"a":01}', "invalid number"),
    (b'{"a":1.}', "invalid number"),
    (b'{"a":.5}', "not JSON"),
    (b'{"a":+1}', "not JSON"),
    (b"{'a':1}", "not JSON"),
    (b'{"a":1', "ends too early"),
    (b'{"a":"x\ny"}', "line 1, column 8"),
    (b'{"a":1e999999999}', "out of range"),
    (b'{"a":1E+9999}', "out of range"),
    (b'{"a":1e99999999999999999999999}', "out of range"),
    (b'{"a":0.' + b"1" * 200 + b"}", "out of range"),
    (b'{"a":' + b"1" * 5000 + b"}", "out of range"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
    (b"[" * 100_000, "64 levels"),
    (b'{"a":' * 100_000, "64 levels"),
]


@pytest.mark.parametrize(("body", "text"), FAULTS)
def test_faults_are_refused_with_their_place(body: bytes, text: str) -> None:
    with pytest.raises(MalformedContent) as caught:
        codec.decode(body)
    assert text in caught.value.issues[0].diagnostics
    assert caught.value.issues[0].code == "structure"


def test_depth_counts_objects_and_arrays_and_allows_the_limit() -> None:
    assert codec.decode(b'{"a":' * 64 + b"1" + b"}" * 64)
    with pytest.raises(MalformedContent):
        codec.decode(b'{"a":{"b":[1]}}', max_depth=2)


def test_a_body_above_the_limit_is_too_large() -> None:
    assert codec.decode(b'{"a":1}', max_bytes=7)
    with pytest.raises(TooLarge) as caught:
        codec.decode(b'{"a":1}', max_bytes=6)
    assert caught.value.status == 413


DUPLICATES = [
    (b'{"a":1,"a":2}', "a"),
    (b'{"a" :1,"a": 2}', "a"),
    (b'{"a":1,"\\u0061":2}', "a"),
    (b'{"resourceType":"A","name":[{},{"use":"a","use":"a"}]}', "A.name[1].use"),
    (b'{"x\\"":1,"x\\"":1}', 'x"'),
    (b'{"a\\\\":1,"a\\\\":2,"b":"\\":"}', "a\\"),
    (b'{"a":{"b":1,"b":2},"a":3}', "a"),
    (b'{"text":"\\u0022:","a":1,"a":1}', "a"),
]


@pytest.mark.parametrize(("body", "place"), DUPLICATES)
def test_a_key_given_twice_is_refused_with_its_place(body: bytes, place: str) -> None:
    with pytest.raises(MalformedContent) as caught:
        codec.decode(body)
    assert caught.value.issues[0].expression == (place,)


def test_a_key_given_twice_among_many_is_found_quickly() -> None:
    many = b",".join(b'"k%d":1' % n for n in range(200_000))
    with pytest.raises(MalformedContent, match="k199999"):
        codec.decode(b'{%b,"k199999":1}' % many)


def test_colons_after_quotes_inside_strings_are_no_keys() -> None:
    assert codec.decode(rb'{"a":"say \"this\": that","b\"":1}') == {
        "a": 'say "this": that',
        'b"': 1,
    }


def test_stamp_sets_identity_and_keeps_the_rest_to_the_letter() -> None:
    raw = (
        b'{"id":"old","value":1.50,"meta":{"tag":[{"code":"x"}],"versionId":"9"},'
        b'"resourceType":"Observation","odd\\"":"\\u00e9"}'
    )
    assert codec.stamp(raw, "Observation", "new", 3, 1_795_293_300_123_000) == (
        b'{"resourceType":"Observation","id":"new","meta":{"versionId":"3",'
        b'"lastUpdated":"2026-11-21T20:35:00.123Z","tag":[{"code":"x"}]},'
        b'"value":1.50,"odd\\"":"\\u00e9"}'
    )


@pytest.mark.parametrize(
    "order",
    [
        ("resourceType", "id", "meta", "active", "name"),
        ("resourceType", "active", "name"),
        ("resourceType", "meta", "active", "name"),
        ("resourceType", "meta", "id", "active", "name"),
        ("resourceType", "active", "id", "name", "meta"),
        ("active", "resourceType", "name"),
        ("active", "name"),
        ("resourceType",),
        ("id", "resourceType", "meta"),
    ],
)
@pytest.mark.parametrize("escaped", ["", "id", "meta", "resourceType"])
def test_stamp_puts_identity_first_whatever_the_order(order: tuple[str, ...], escaped: str) -> None:
    values = {
        "resourceType": "Patient",
        "id": "0",
        "meta": {"source": "s"},
        "active": True,
        "name": [],
    }
    body = codec.encode({name: values[name] for name in order})
    first = f"\\u{ord(escaped[0]):04x}" if escaped else ""
    body = body.replace(f'"{escaped}":'.encode(), f'"{first}{escaped[1:]}":'.encode())
    made = json.loads(codec.stamp(body, "Patient", "1", 2, 0))
    assert list(made)[:3] == ["resourceType", "id", "meta"]
    assert made["id"] == "1"
    assert made["meta"] == {
        "versionId": "2",
        "lastUpdated": "1970-01-01T00:00:00.000Z",
        **({"source": "s"} if "meta" in order else {}),
    }
    rest = [name for name in order if name not in ("resourceType", "id", "meta")]
    assert list(made)[3:] == rest
    assert all(made[name] == values[name] for name in rest)


def test_stamp_makes_meta_where_there_is_none() -> None:
    assert codec.stamp(b"{}", "Patient", "1", 1, 0) == (
        b'{"resourceType":"Patient","id":"1","meta":{"versionId":"1",'
        b'"lastUpdated":"1970-01-01T00:00:00.000Z"}}'
    )


def test_pretty_indents_and_keeps_numbers() -> None:
    assert codec.pretty(b'{"a":[1.50]}') == b'{\n  "a": [\n    1.50\n  ]\n}'
