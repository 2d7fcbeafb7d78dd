"""Every place that points is found and rewritten, and nothing else (R-35, R-36)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fhir_server.fhir.references import Found, Literal, find, parse, rewrite

URN = "urn:uuid:6f1d3b5e-0000-4000-8000-000000000001"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


LITERALS = [
    ("Patient/1", Literal(type="Patient", id="1")),
    ("Patient/1/_history/2", Literal(type="Patient", id="1", version="2")),
    ("Patient/1#p", Literal(type="Patient", id="1", fragment="p")),
    ("http://a.org/fhir/Patient/1", Literal(base="http://a.org/fhir", type="Patient", id="1")),
    (
        "https://a.org/Patient/1/_history/2",
        Literal(base="https://a.org", type="Patient", id="1", version="2"),
    ),
    ("Patient?identifier=a|b", Literal(type="Patient", query="identifier=a|b")),
    ("http://a.org/Patient?x=y", Literal(base="http://a.org", type="Patient", query="x=y")),
    ("#p", Literal(fragment="p")),
    ("#", Literal()),
    (URN, Literal(other=URN)),
    ("patient/1", Literal(other="patient/1")),
    ("Patient/", Literal(other="Patient/")),
    ("Patient/" + "x" * 65, Literal(other="Patient/" + "x" * 65)),
    ("ftp://a.org/Patient/1", Literal(other="ftp://a.org/Patient/1")),
]


@pytest.mark.parametrize(("text", "expected"), LITERALS)
def test_literal_references_are_read(text: str, expected: Literal) -> None:
    assert parse(text) == expected


POINTING: list[tuple[dict[str, Any], str, str]] = [
    ({"managingOrganization": {"reference": URN}}, "managingOrganization.reference", "Reference"),
    (
        {"generalPractitioner": [{}, {"reference": URN}]},
        "generalPractitioner[1].reference",
        "Reference",
    ),
    ({"link": [{"other": {"reference": URN}}]}, "link[0].other.reference", "Reference"),
    ({"photo": [{"url": URN}]}, "photo[0].url", "url"),
    ({"implicitRules": URN}, "implicitRules", "uri"),
    ({"extension": [{"url": "u", "valueUri": URN}]}, "extension[0].valueUri", "uri"),
    ({"extension": [{"url": "u", "valueUuid": URN}]}, "extension[0].valueUuid", "uuid"),
    ({"extension": [{"url": "u", "valueOid": URN}]}, "extension[0].valueOid", "oid"),
    (
        {"_birthDate": {"extension": [{"url": "u", "valueReference": {"reference": URN}}]}},
        "_birthDate.extension[0].valueReference.reference",
        "Reference",
    ),
    (
        {"contained": [{"resourceType": "Group", "member": [{"entity": {"reference": URN}}]}]},
        "contained[0].member[0].entity.reference",
        "Reference",
    ),
    ({"text": {"div": f"{DIV}<a href='{URN}'>x</a></div>"}}, "text.div", "xhtml"),
    ({"text": {"div": f'{DIV}<p><img alt="x" src="{URN}"/></p></div>'}}, "text.div", "xhtml"),
]


@pytest.mark.parametrize(("content", "place", "type_"), POINTING)
def test_what_points_is_found_and_rewritten(
    content: dict[str, Any], place: str, type_: str
) -> None:
    resource = {"resourceType": "Patient", "active": True, **content}
    before = copy.deepcopy(resource)
    assert Found(f"Patient.{place}", URN, type_) in list(find(resource))
    changed = rewrite(resource, {URN: "Patient/9"}.get)
    assert resource == before
    assert URN not in str(changed)
    assert "Patient/9" in [found.text for found in find(changed)]
    assert rewrite(resource, {"other": "x"}.get) is resource


STAYING: list[dict[str, Any]] = [
    {"meta": {"profile": [URN]}},
    {"extension": [{"url": URN, "valueString": URN}]},
    {"extension": [{"url": "u", "valueCanonical": URN}]},
    {"identifier": [{"value": URN}]},
    {"managingOrganization": {"display": URN}},
    {"text": {"div": f"{DIV}{URN} <span title='{URN}'>a href={URN}</span></div>"}},
    {"unknown": {"reference": URN}},
]


@pytest.mark.parametrize("content", STAYING)
def test_what_does_not_point_stays(content: dict[str, Any]) -> None:
    resource = {"resourceType": "Patient", **content}
    assert rewrite(resource, {URN: "Patient/9"}.get) is resource


def test_what_is_put_into_a_narrative_is_escaped() -> None:
    resource = {"resourceType": "Patient", "text": {"div": f"{DIV}<a href='a?b&amp;c'>x</a></div>"}}
    changed = rewrite(resource, {"a?b&c": 'd"&e'}.get)
    assert changed["text"]["div"] == f'{DIV}<a href="d&quot;&amp;e">x</a></div>'


def test_an_unknown_type_points_nowhere() -> None:
    assert list(find({"resourceType": "Nothing", "subject": {"reference": URN}})) == []
