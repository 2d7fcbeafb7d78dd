"""Check of a narrative's XHTML: well-formed, and only what txt-1 and txt-2 allow.

https://hl7.org/fhir/R4/narrative.html: "basic HTML formatting elements described in chapters 7-11
(except section 4 of chapter 9) and 15 of the HTML 4.0 standard, <a> elements, images and
internally contained style attributes".
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from fhir_server.validation.faults import Faults, State, json_type, shown

__all__ = ["check_xhtml"]

NAMESPACE = "http://www.w3.org/1999/xhtml"

# The lists of txt-1's XPath, and what else those chapters have.
ELEMENTS = frozenset(
    """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3
    h4 h5 h6 hr i img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr
    tt ul var address area bdo kbd map s strike u
    """.split()  # noqa: SIM905
)
ATTRIBUTES = frozenset(
    """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char
    charoff charset cite class colspan compact coords dir frame headers height href hreflang hspace
    id lang longdesc name nowrap rel rev rowspan rules scope shape span src start style summary
    tabindex title type valign value vspace width ismap usemap nohref
    {http://www.w3.org/XML/1998/namespace}lang {http://www.w3.org/XML/1998/namespace}space
    """.split()  # noqa: SIM905
)
_TAGS = frozenset(f"{{{NAMESPACE}}}{name}" for name in ELEMENTS)
_DIV = f"{{{NAMESPACE}}}div"
_IMG = f"{{{NAMESPACE}}}img"
_ACTIVE = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript)[\s\x00-\x20]*:", re.I).match
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def check_xhtml(value: Any, owner: dict[str, Any], state: State) -> Faults:
    """Faults of `Narrative.div`."""
    if type(value) is not str:
        return state.fault("structure", f"must be a string with a <div>, not {json_type(value)}")
    try:
        root = etree.fromstring(value, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        text = f"is no well-formed XHTML: {error}; entities other than XML's own are not allowed"
        return state.fault("structure", text)
    if root.tag != _DIV:
        return state.fault("structure", f'must be one <div xmlns="{NAMESPACE}">')
    if root.getroottree().docinfo.doctype or root.getprevious() is not None:
        return state.fault("invariant", "must begin with <div>: no DOCTYPE, nothing before (txt-1)")
    wrong: dict[str, None] = {}
    content = False
    for element in root.iter():
        tag = element.tag
        if tag in _TAGS:
            attributes = element.attrib
            if attributes:
                _attributes(tag, attributes, wrong)
            content = content or (tag == _IMG and "src" in attributes)
        elif isinstance(tag, str):
            wrong[f"<{etree.QName(tag).localname}>"] = None
        elif tag is not etree.Comment:
            wrong[f"{element}"] = None
    if wrong:
        text = (
            f"narrative must not have {', '.join(list(wrong)[:10])}: plain formatting only (txt-1)"
        )
        return state.fault("invariant", text)
    if not content and not any(text and not text.isspace() for text in root.itertext()):
        return state.soft("invariant", "narrative must have some text or an image (txt-2)")
    return None


def _attributes(tag: str, attributes: Any, wrong: dict[str, None]) -> None:
    for name, value in attributes.items():
        if name not in ATTRIBUTES:
            wrong[f"attribute {name}"] = None
        elif name in ("href", "src") and _ACTIVE(value):
            wrong[f"{name}={shown(value)}"] = None
