"""The XHTML of narratives (https://hl7.org/fhir/R4/narrative.html#xhtml).

A narrative is shown in browsers, so nothing active may be in it. JSON that holds disallowed markup
is refused by validation (`faults`); what comes as XML, and what is shown, is cleaned (`clean`).
Markup without fault stays to the letter. Images on other hosts are allowed by FHIR and stay: who
shows them decides by its own content policy.
"""

from __future__ import annotations

import re
from html import escape, unescape
from xml.parsers import expat

from lxml import etree

XHTML = "http://www.w3.org/1999/xhtml"
_DIV = f"{{{XHTML}}}div"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The lists of invariant txt-1, with its XPath's letters, and what else its text names: the rest of
# HTML 4.0's chapters 7 to 11 and 15, and the maps of images.
ELEMENTS = _words(
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em "
    "h1 h2 h3 h4 h5 h6 hr i img li ol p pre q samp small span strong sub sup table tbody td tfoot "
    "th thead tr tt ul var address area bdo kbd map s strike u"
)
ATTRIBUTES = _words(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign "
    "char charoff charset cite class colspan compact coords dir frame headers height href hreflang "
    "hspace id lang longdesc name nowrap rel rev rowspan rules scope shape span src start style "
    "summary tabindex title type valign value vspace width"
)
_XML = "{http://www.w3.org/XML/1998/namespace}"
_ALLOWED = ATTRIBUTES | {f"{_XML}lang", f"{_XML}space"}
"""XML's own attributes stand beside lang in what most narratives' generators write."""
_LINKS = frozenset({"href", "src", "cite", "longdesc"})
_SCHEME = re.compile(r"([^/?#:]*):")
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "urn", "cid"})
_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|webp|bmp)[;,]", re.IGNORECASE)
_ACTIVE_STYLE = re.compile(
    r"url\s*\(|expression\s*\(|@import|behaviou?r\s*:|binding\s*:|\\|/\*", re.IGNORECASE
)
_WITH_CONTENT = _words(
    "applet audio base button embed form frame frameset head iframe input link math meta noscript "
    "object option script select style svg template textarea title video"
)
"""Elements whose content goes with them; of other unknown ones the text stays."""

_NAMES = "|".join(sorted(ELEMENTS))
_ATTRIBUTE = (
    rf"""(?:{"|".join(sorted(ATTRIBUTES))}|xmlns|xml:lang|xml:space)\s*=\s*(?:"[^"<]*"|'[^'<]*')"""
)
_TAG = rf"<(?:{_NAMES})(?:\s+{_ATTRIBUTE})*\s*/?>|</(?:{_NAMES})\s*>|<!--[^<>]*-->"
_PLAIN = re.compile(rf"(?:[^<]+|{_TAG})*+")
_TELLING = re.compile(r"""\s(href|src|cite|longdesc|style|xmlns)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z][A-Za-z0-9]*;")


def is_clean(div: str) -> bool:
    """Whether the markup is well-formed and has nothing that FHIR forbids. Cheap."""
    if not _PLAIN.fullmatch(div):
        return False
    for name, double, single in _TELLING.findall(div):
        if not _permits(name, unescape(double or single)):
            return False
    try:
        parser = expat.ParserCreate()
        parser.StartElementHandler = roots = _Roots()
        parser.Parse(as_xml(div), True)
    except expat.ExpatError:
        return False
    return bool(roots.is_div)


def faults(div: str) -> list[str]:
    """What FHIR forbids in the markup, each in words; empty when there is nothing."""
    if is_clean(div):
        return []
    try:
        root = _parse(div)
    except ValueError as error:
        return [str(error)]
    found: list[str] = []
    if root.tag != _DIV:
        found.append(f"the markup must be one div of the namespace {XHTML}")
    for node in root.iter():
        if not isinstance(node.tag, str):
            if node.tag is not etree.Comment:
                found.append("a processing instruction is not allowed")
            elif "<" in (node.text or "") or ">" in (node.text or ""):
                found.append("a comment with markup in it is not allowed")
            continue
        name = _local(node)
        if name not in ELEMENTS:
            found.append(f"the element {name} is not allowed")
        for attribute, value in node.attrib.items():
            if attribute not in _ALLOWED:
                found.append(f"the attribute {attribute} of {name} is not allowed")
            elif not _permits(str(attribute), str(value)):
                found.append(f"the {attribute} of {name} is active content: {str(value)[:60]!r}")
    return found or ["CDATA sections and character tricks are not allowed"]


def clean(div: str) -> str:
    """The markup with all that FHIR forbids taken away; to the letter where nothing is.

    What is not well-formed becomes plain text in a div.
    """
    if is_clean(div):
        return div
    try:
        root = _parse(div)
    except ValueError:
        return f'<div xmlns="{XHTML}">{escape(_UNSAYABLE.sub("", div), quote=False)}</div>'
    for node in list(root.iter()):
        if not isinstance(node.tag, str):
            _drop(node)
            continue
        name = _local(node)
        if name not in ELEMENTS and node is not root:
            if name in _WITH_CONTENT or not _is_xhtml(node):
                _drop(node)
            else:
                _unwrap(node)
            continue
        for attribute, value in list(node.attrib.items()):
            if attribute not in _ALLOWED or not _permits(str(attribute), str(value)):
                del node.attrib[attribute]
    if root.tag != _DIV:
        inner = etree.Element(_DIV, nsmap={None: XHTML})
        if _local(root) not in _WITH_CONTENT:
            inner.text = "".join(str(text) for text in root.itertext())
        root = inner
    etree.cleanup_namespaces(root, top_nsmap={None: XHTML})
    return str(etree.tostring(root, encoding="unicode", with_tail=False))


def as_xml(div: str) -> str:
    """The markup with HTML's named characters (`&nbsp;`), which XML has not, spelled out."""
    return _NAMED.sub(lambda match: unescape(match[0]), div)


class _Roots:
    """Notes whether the first element of a document is the div that it has to be."""

    def __init__(self) -> None:
        self.is_div: bool | None = None

    def __call__(self, name: str, attributes: dict[str, str]) -> None:
        if self.is_div is None:
            self.is_div = name == "div" and attributes.get("xmlns") == XHTML


def _permits(attribute: str, value: str) -> bool:
    if attribute == "style":
        return not _ACTIVE_STYLE.search(value)
    if attribute == "xmlns":
        return value == XHTML
    if attribute in _LINKS:
        # Browsers skip blanks and control characters inside a scheme.
        scheme = _SCHEME.match(_IGNORED.sub("", value))
        if scheme is None or scheme[1].lower() in _SCHEMES:
            return True
        return attribute == "src" and _IMAGE.match(value) is not None
    return True


def _parse(div: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(as_xml(div), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"the markup is not well-formed: {error}") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("a document type declaration is not allowed")
    return root


def _local(node: etree._Element) -> str:
    return str(etree.QName(node).localname)


def _is_xhtml(node: etree._Element) -> bool:
    return etree.QName(node).namespace in (XHTML, None)


def _drop(node: etree._Element) -> None:
    """Takes the node away with its content; the text behind it stays."""
    parent = node.getparent()
    if parent is None:
        return
    _append_text(node, node.tail or "")
    parent.remove(node)


def _unwrap(node: etree._Element) -> None:
    """Takes the tag away; its content stays."""
    parent = node.getparent()
    if parent is None:
        return
    _append_text(node, node.text or "")
    for child in list(node):
        node.addprevious(child)
    _drop(node)


def _append_text(node: etree._Element, text: str) -> None:
    before = node.getprevious()
    parent = node.getparent()
    if before is not None:
        before.tail = (before.tail or "") + text
    elif parent is not None:
        parent.text = (parent.text or "") + text
