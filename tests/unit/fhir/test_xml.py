"""XML in and out: the same resource, and everything dangerous or wrong refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.errors import MalformedContent, TooLarge
from fhir_server.fhir import codec, xml

NS = 'xmlns="http://hl7.org/fhir"'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def patient(inner: str) -> bytes:
    return f"<Patient {NS}>{inner}</Patient>".encode()


FORMS: list[tuple[str, dict[str, Any]]] = [
    ('<active value="true"/>', {"active": True}),
    (
        '<name id="n"><given value="A"/><given><extension url="u"/></given></name>',
        {
            "name": [
                {"id": "n", "given": ["A", None], "_given": [None, {"extension": [{"url": "u"}]}]}
            ]
        },
    ),
    (
        '<birthDate value="1970-03-30" id="b"/>',
        {"birthDate": "1970-03-30", "_birthDate": {"id": "b"}},
    ),
    (
        '<extension url="u"><valueDecimal value="1.50"/></extension>',
        {"extension": [{"url": "u", "valueDecimal": Decimal("1.50")}]},
    ),
    ('<multipleBirthInteger value="2"/>', {"multipleBirthInteger": 2}),
    (
        '<contained><Group><id value="g"/></Group></contained>',
        {"contained": [{"resourceType": "Group", "id": "g"}]},
    ),
    (
        '<name><text value="&lt;&amp;&quot;&gt; two&#10;lines&#9;é"/></name>',
        {"name": [{"text": '<&"> two\nlines\té'}]},
    ),
    (
        '<text><status value="empty"/>'
        f"<div {XHTML}>a <b class='x'>b</b><br /> &#160;</div></text>",
        {
            "text": {
                "status": "empty",
                "div": f"<div {XHTML}>a <b class='x'>b</b><br /> &#160;</div>",
            }
        },
    ),
]


@pytest.mark.parametrize(("inner", "expected"), FORMS)
def test_each_form_is_the_same_both_ways(inner: str, expected: dict[str, Any]) -> None:
    resource = {"resourceType": "Patient", **expected}
    assert xml.from_xml(patient(inner)) == resource
    for pretty in (False, True):
        written = xml.to_xml(resource, pretty=pretty)
        assert codec.encode(xml.from_xml(written)) == codec.encode(resource)
    assert inner.encode() in xml.to_xml(resource)


@pytest.mark.parametrize("literal", ["1.00", "1e2", "1.2E+2", "0.0000001", "7"])
def test_decimals_keep_their_spelling(literal: str) -> None:
    inner = f'<extension url="u"><valueDecimal value="{literal}"/></extension>'
    resource = xml.from_xml(patient(inner))
    assert codec.encode(resource).endswith(b'"valueDecimal":%b}]}' % literal.encode())
    assert inner.encode() in xml.to_xml(resource)


def test_elements_are_written_in_the_order_of_the_definitions() -> None:
    written = xml.to_xml(
        {
            "birthDate": "2000",
            "name": [{"given": ["g"], "use": "usual"}],
            "resourceType": "Patient",
            "id": "1",
        }
    )
    names = ["<id ", "<name>", "<use ", "<given ", "<birthDate "]
    places = [written.index(name.encode()) for name in names]
    assert places == sorted(places)


def test_comments_instructions_and_schema_locations_are_dropped() -> None:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><?style x?><!-- a --><Patient {NS} '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">'
        '<!-- b --><active value="true"/></Patient>'
    )
    assert xml.from_xml(body.encode()) == {"resourceType": "Patient", "active": True}


def test_a_prefixed_narrative_gets_its_own_namespace() -> None:
    body = (
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text>'
        '<f:status value="generated"/><h:div><h:p title="a&quot;">x &amp; y</h:p></h:div>'
        "</f:text></f:Patient>"
    )
    div = f"<div {XHTML}><p title='a\"'>x &amp; y</p></div>"
    assert xml.from_xml(body.encode())["text"]["div"] == div


def test_scripts_in_a_narrative_are_cleaned_away() -> None:
    inner = (
        f"<text><status value='generated'/><div {XHTML}>a<script>alert(1)</script>b</div></text>"
    )
    assert xml.from_xml(patient(inner))["text"]["div"] == f"<div {XHTML}>ab</div>"


LAUGHS = '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

FAULTS = [
    (b"", "empty"),
    (b"{}", "not well-formed XML"),
    (patient("<active value='true'>"), "not well-formed XML: mismatched tag at line 1"),
    ((LAUGHS + "<Patient/>").encode(), "document type declaration"),
    ((OUTSIDE + "<Patient/>").encode(), "document type declaration"),
    (patient('<id value="&a;"/>'), "undefined entity"),
    (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + patient(""), "FHIR is in UTF-8"),
    (b"<Patient/>", "not in the namespace"),
    (f"<Nothing {NS}/>".encode(), "Nothing at line 1, column 1 is not a resource type"),
    (f"<HumanName {NS}/>".encode(), "not a resource type"),
    (f"<DomainResource {NS}/>".encode(), "not a resource type"),
    (patient("\n <nome value='x'/>"), "no element nome; it is at line 2, column 2"),
    (patient("hello"), "'hello' stands between"),
    (patient("<active value='yes'/>"), "no boolean"),
    (patient("<multipleBirthInteger value='1.0'/>"), "no integer"),
    (patient("<extension url='u'><valueDecimal value='01.0'/></extension>"), "no decimal"),
    (patient("<extension url='u'><valueDecimal value='1e9999'/></extension>"), "out of range"),
    (patient("<active/>"), "neither a value nor an extension"),
    (patient("<active value='true'/><active value='true'/>"), "2 times"),
    (patient("<active value='true' x='y'/>"), "attribute x"),
    (patient("<name value='x'/>"), "attribute value"),
    (patient("<extension><url value='u'/></extension>"), "no element url"),
    (patient("<contained/>"), "must hold one resource"),
    (patient("<text><status value='empty'/><div>x</div></text>"), "stands between"),
    (patient(f"<div {XHTML}>x</div>"), "no element div"),
    (patient("<extension url='u'>" * 70 + "</extension>" * 70), "64 levels"),
    (patient(f"<text><div {XHTML}>" + "<b>" * 70 + "</b>" * 70 + "</div></text>"), "64 levels"),
    (b"\xff\xfe<\x00", "not well-formed"),
]


@pytest.mark.parametrize(("body", "text"), FAULTS)
def test_faults_are_refused_with_their_place(body: bytes, text: str) -> None:
    with pytest.raises(MalformedContent) as caught:
        xml.from_xml(body)
    assert text in caught.value.issues[0].diagnostics


def test_the_place_is_also_given_as_fhirpath() -> None:
    with pytest.raises(MalformedContent) as caught:
        xml.from_xml(patient("<name/><name><family value='a'/><age value='1'/></name>"))
    assert caught.value.issues[0].expression == ("Patient.name[1].age",)


def test_a_body_above_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        xml.from_xml(patient(""), max_bytes=10)
