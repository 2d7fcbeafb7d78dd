"""XML text to a small tree, safely: no DTD, no entities, no encodings but UTF-8.

expat rather than lxml, because it tells where in the bytes an element begins and ends: the `div`
of a narrative is cut out as it was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from fhir_server.errors import MalformedContent, TooLarge

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance "
_OPENING = re.compile(rb"<div(?=[\s>])[^>]*\sxmlns=([\"'])http://www\.w3\.org/1999/xhtml\1")
_PREFIXED = re.compile(rb"</?[A-Za-z_][\w.-]*:")


@dataclass(slots=True)
class Node:
    """An element of the FHIR namespace; `div` is the markup of a narrative's `div` instead."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list[Node] = field(default_factory=list)
    div: str = ""

    @property
    def where(self) -> str:
        """The place in the text, for people."""
        return f"line {self.line}, column {self.column}"


def parse(body: bytes, max_bytes: int, max_depth: int) -> Node:
    """The root of the document. Comments and processing instructions are dropped.

    Raises TooLarge above `max_bytes`; MalformedContent, with line and column, for what is not
    well-formed, has a DTD, text between elements or another namespace, or is nested too deep.
    """
    if len(body) > max_bytes:
        raise TooLarge(f"The body has {len(body)} bytes; at most {max_bytes} are accepted")
    if not body.strip():
        raise MalformedContent("The body is empty; a FHIR resource in XML is expected")
    builder = _Builder(body, max_depth)
    try:
        builder.parser.Parse(body, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        reason = expat.ErrorString(error.code)
        raise MalformedContent(f"The body is not well-formed XML: {reason} at {where}") from None
    assert builder.root is not None  # noqa: S101  expat refuses a document without an element
    return builder.root


class _Builder:
    def __init__(self, body: bytes, max_depth: int) -> None:
        self.body = body
        self.max_depth = max_depth
        self.root: Node | None = None
        self.path: list[Node] = []
        self.markup: list[str] = []
        self.inside = 0
        """How deep in a div the parser is; 0 outside of one."""
        self.begin = 0
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = self.declaration
        parser.StartDoctypeDeclHandler = self.doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        self.parser = parser

    def fail(self, text: str) -> MalformedContent:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        return MalformedContent(f"{text} at line {line}, column {column}")

    def declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.upper() not in ("UTF-8", "UTF8", "US-ASCII"):
            raise self.fail(f"The XML is in {encoding}; FHIR is in UTF-8")

    def doctype(self, *_: object) -> None:
        raise self.fail("A document type declaration is not allowed in FHIR")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if len(self.path) + self.inside >= self.max_depth:
            raise self.fail(f"The body is nested more than {self.max_depth} levels deep")
        if self.inside or (namespace == XHTML and local == "div" and self.path):
            self.start_markup(namespace, local, attributes)
            return
        if namespace != FHIR:
            raise self.fail(f"The element {local} is not in the namespace {FHIR}")
        kept = {k: v for k, v in attributes.items() if not k.startswith(_SCHEMA_INSTANCE)}
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        node = Node(local, kept, line, column)
        if self.path:
            self.path[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self.path.append(node)

    def start_markup(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if namespace != XHTML:
            raise self.fail(f"The element {local} of a narrative is not in the namespace {XHTML}")
        if not self.inside:
            self.begin = self.parser.CurrentByteIndex
            self.markup = [f'<div xmlns="{XHTML}"']
        else:
            self.markup.append(f"<{local}")
        for name, value in attributes.items():
            self.markup.append(f" {name.rpartition(' ')[2]}={quoteattr(value)}")
        self.markup.append(">")
        self.inside += 1

    def end(self, name: str) -> None:
        if not self.inside:
            self.path.pop()
            return
        self.markup.append(f"</{name.rpartition(' ')[2]}>")
        self.inside -= 1
        if not self.inside:
            line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
            self.path[-1].children.append(Node("div", {}, line, column, div=self.cut()))

    def cut(self) -> str:
        """The div as it was sent, or written anew where it borrows names from outside itself."""
        last = self.parser.CurrentByteIndex
        if last > self.begin:
            source = self.body[self.begin : self.body.index(b">", last) + 1]
            if _OPENING.match(source) and not _PREFIXED.search(source):
                return source.decode()
        return "".join(self.markup)

    def text(self, data: str) -> None:
        if self.inside:
            self.markup.append(escape(data))
        elif data.strip():
            raise self.fail(f"The text {data.strip()[:40]!r} stands between FHIR elements")
