"""Text of a FHIRPath expression -> tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_server.fhir.fhirpath.errors import SyntaxFault

_LONGEST = 50_000

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<time>@T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?)
    |(?P<datetime>@[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?
        T([0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)
    |(?P<date>@[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)
    |(?P<number>[0-9]+(\.[0-9]+)?)
    |(?P<string>'(\\.|[^'\\])*')
    |(?P<quoted>`(\\.|[^`\\])*`)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<special>\$(this|index|total)\b)
    |(?P<variable>%(?=[A-Za-z_`']))
    |(?P<sign><=|>=|!=|!~|[-+*/&|=~<>().,\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "'`\"\\/"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is a group of the pattern or `end`; `text` has quotes and escapes resolved."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """All tokens, the last of kind `end`. SyntaxFault with the place of what is no token."""
    if len(text) > _LONGEST:
        raise SyntaxFault(f"the expression is longer than {_LONGEST} characters")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or (text.startswith("/*", at) and match.lastgroup != "space"):
            raise SyntaxFault(f"unexpected {_shown(text, at)}", position=at)
        kind = _kind(match)
        if kind != "space":
            found.append(Token(kind, _meaning(kind, match.group(), at), at))
        at = match.end()
    found.append(Token("end", "", len(text)))
    return found


def _kind(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next(name for name, value in groups.items() if value is not None)


def _meaning(kind: str, text: str, at: int) -> str:
    if kind not in ("string", "quoted"):
        return text

    def resolve(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise SyntaxFault(f"'\\{code}' is no escape in a string", position=at + match.start())
        return _ESCAPED[code]

    found = _ESCAPE.sub(resolve, text[1:-1])
    try:  # two escapes may be the halves of one character
        return found.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise SyntaxFault("half a character in a string", position=at) from None


def _shown(text: str, at: int) -> str:
    if text.startswith("/*", at):
        return "comment without end"
    if text[at] in "'`":
        return "string without end"
    return f"'{text[at]}'"
