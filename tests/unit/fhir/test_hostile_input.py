"""Whatever comes in, it is taken or refused with an error of ours: never another exception."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.errors import FhirError
from fhir_server.fhir import codec, narrative, parameters, references, xml
from fhir_server.fhir.definitions import load
from fhir_server.fhir.patch.fhirpath_patch import fhirpath_patch
from fhir_server.fhir.patch.json_patch import json_patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"family": "A", "given": ["B", "C"]}],
    "birthDate": "1970",
}
WORDS = ["Patient", "name", "given", "extension", "value", "url", "div", "text", "contained", "x"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(WORDS)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
TAG = st.sampled_from(WORDS)
XML = st.recursive(
    st.text(max_size=5).map(lambda text: text.replace("<", "").replace("&", "")),
    lambda inner: st.builds(
        lambda tag, attribute, content: f'<{tag} {attribute}="1">{"".join(content)}</{tag}>',
        TAG,
        TAG,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)
STEPS = [".first()", ".", "name", "(", " as string", ".extension", "%x", "$this", "1"]
PATHS = st.lists(
    st.sampled_from(
        [*STEPS, "Patient", ".name", "[0]", "[9]", ".given", ".birthDate", ".where(", "='x'", ")"]
    ),
    max_size=5,
).map("".join)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_json(body: bytes) -> None:
    with contextlib.suppress(FhirError):
        assert isinstance(codec.decode(body), dict)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_as_xml(body: bytes) -> None:
    with contextlib.suppress(FhirError):
        xml.from_xml(body)


@given(st.lists(XML, max_size=3).map("".join))
def test_elements_as_xml(inner: str) -> None:
    with contextlib.suppress(FhirError):
        resource = xml.from_xml(f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode())
        assert xml.from_xml(xml.to_xml(resource)) == resource


@given(st.text() | XML | XML.map(lambda inner: f'<div xmlns="{narrative.XHTML}">{inner}</div>'))
def test_narratives(markup: str) -> None:
    cleaned = narrative.clean(markup)
    assert narrative.is_clean(cleaned)
    assert bool(narrative.faults(markup)) != narrative.is_clean(markup)
    assert (cleaned == markup) == narrative.is_clean(markup)


@given(st.dictionaries(st.sampled_from([*WORDS, "parameter"]), JSON))
def test_parameters_and_references(content: dict[str, Any]) -> None:
    for type_ in ("Parameters", "Patient", "Observation"):
        resource = {"resourceType": type_, **content}
        with contextlib.suppress(FhirError):
            list(parameters.read(resource))
        found = [place.text for place in references.find(resource)]
        changed = references.rewrite(resource, lambda text: text + "!")
        assert [place.text for place in references.find(changed)] == [f"{t}!" for t in found]


POINTERS = st.lists(st.sampled_from([*WORDS, "0", "-", "~0", "9"]), max_size=4).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])},
    optional={"path": POINTERS | JSON, "from": POINTERS | JSON, "value": JSON},
)


@given(JSON | st.lists(OPERATION, max_size=4))
def test_json_patches(patch: Any) -> None:
    with contextlib.suppress(FhirError):
        assert isinstance(json_patch(PATIENT, json.dumps(patch).encode()), dict)


PART_VALUES = {"valueString": PATHS | JSON, "valueCode": JSON, "valueInteger": JSON, "part": JSON}
PART = st.fixed_dictionaries(
    {"name": st.sampled_from(["name", "value", "index", "source", "destination"])},
    optional=PART_VALUES,
)


@given(
    st.sampled_from(["add", "insert", "delete", "replace", "move"]),
    PATHS,
    st.lists(PART | JSON, max_size=3),
)
def test_fhirpath_patches(type_: str, path: str, parts: list[Any]) -> None:
    head = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    operation = {"name": "operation", "part": [*head, *parts]}
    with contextlib.suppress(FhirError):
        fhirpath_patch(PATIENT, {"resourceType": "Parameters", "parameter": [operation]})


def test_the_words_are_elements() -> None:
    assert set(WORDS) & load().types["Patient"].elements.keys()
