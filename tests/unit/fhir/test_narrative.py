"""Nothing active stays in a narrative, and nothing else is touched."""

from __future__ import annotations

import pytest

from fhir_server.fhir import narrative

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def div(inner: str) -> str:
    return f"<div {XHTML}>{inner}</div>"


HARMLESS = [
    "text",
    "<p class='a' style=\"color: red\">x &amp; y &#169; &nbsp;</p>",
    '<a href="http://example.org/?a=b&amp;c">x</a>',
    '<a href="#here" name="x">x</a><a href="Patient/1">y</a><a href="mailto:a@b">z</a>',
    '<img src="data:image/png;base64,AAAA" alt="x"/><img src="#photo"/>',
    "<table><tbody><tr><td colspan='2'>1 &lt; 2</td></tr></tbody></table><br/><!-- c -->",
]


@pytest.mark.parametrize("inner", HARMLESS)
def test_what_fhir_allows_stays_to_the_letter(inner: str) -> None:
    markup = div(inner)
    assert narrative.is_clean(markup)
    assert narrative.faults(markup) == []
    assert narrative.clean(markup) == markup


ACTIVE = [
    ("a<script>alert(1)</script>b", "ab"),
    ("a<p onclick='x()'>b</p>", "a<p>b</p>"),
    ("<a href='javascript:x()'>b</a>", "<a>b</a>"),
    ("<a href='java&#10;script:x()'>b</a>", "<a>b</a>"),
    ("<a href='\t JaVaScript:x()'>b</a>", "<a>b</a>"),
    ("<a href='&#106;avascript:x()'>b</a>", "<a>b</a>"),
    ("<a href='vbscript:x()'>b</a>", "<a>b</a>"),
    ("<a href='data:text/html,x'>b</a>", "<a>b</a>"),
    ("<img src='data:image/svg+xml,x'/>", "<img/>"),
    ("<img src='x' onerror='y'/>", '<img src="x"/>'),
    ("<p style='background: url(http://x)'>b</p>", "<p>b</p>"),
    ("<p style='width: expression(x)'>b</p>", "<p>b</p>"),
    ("<iframe src='http://x'/>a", "a"),
    ("<object data='x'>b</object>a", "a"),
    ("<form action='x'><input/>b</form>", ""),
    ("<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>a", "a"),
    ("<blink>kept <b>too</b></blink> tail", "kept <b>too</b> tail"),
    ("x<font><i>1</i>2</font>3", "x<i>1</i>23"),
    ("<!--><script>x</script>-->a", "a"),
    ("<![CDATA[<b>&]]>", "&lt;b&gt;&amp;"),
    ("<?x y?>a", "a"),
    ("<p xml:base='http://x'>b</p>", "<p>b</p>"),
]


@pytest.mark.parametrize(("inner", "left"), ACTIVE)
def test_what_is_active_is_a_fault_and_is_cleaned_away(inner: str, left: str) -> None:
    markup = div(inner)
    assert not narrative.is_clean(markup)
    assert narrative.faults(markup)
    cleaned = narrative.clean(markup)
    assert cleaned == div(left)
    assert narrative.is_clean(cleaned)


BROKEN = [
    "<div>no namespace</div>",
    f"<p {XHTML}>no div</p>",
    div("<p>not closed"),
    div("&unknown;"),
    div("a") + div("b"),
    "text",
    "",
    f"<script {XHTML}>x</script>",
    '<!DOCTYPE div [<!ENTITY a "b">]>' + div("&a;"),
]


@pytest.mark.parametrize("markup", BROKEN)
def test_what_is_no_div_is_a_fault_and_becomes_harmless(markup: str) -> None:
    assert narrative.faults(markup)
    assert narrative.is_clean(narrative.clean(markup))


def test_long_hostile_markup_is_decided_quickly() -> None:
    for hostile in ("<p " + "a " * 20_000, "<b" * 20_000, "<a href='" * 5_000, "&#" * 20_000 + "<"):
        assert not narrative.is_clean(div(hostile))
