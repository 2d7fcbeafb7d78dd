"""Functions on strings (https://hl7.org/fhirpath/N1/#string-manipulation and its STU additions)."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable
from typing import Any

from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.operators import check_length, wrap
from fhir_server.fhir.fhirpath.patterns import full_match, search, substitute
from fhir_server.fhir.fhirpath.scope import Items, Scope, integer, text

_STRING = ("System.String",)
_BOOLEAN = ("System.Boolean",)
_INTEGER = ("System.Integer",)


def _on_string(name: str, act: Callable[..., Any]) -> Callable[..., Items]:
    """A function of strings alone: empty where the input or an argument is empty."""

    def function(scope: Scope, items: Items, *arguments: Items) -> Items:
        value = text(items, f"{name}()")
        values = [text(argument, f"{name}()") for argument in arguments]
        if value is None or None in values:
            return []
        return wrap(act(value, *values))

    return function


def _substring(scope: Scope, items: Items, start: Items, length: Items | None = None) -> Items:
    value, at = text(items, "substring()"), integer(start, "substring()")
    if value is None or at is None or not 0 <= at < len(value):
        return []
    count = None if length is None else integer(length, "substring()")
    if count is None:
        return [value[at:]]
    return [value[at : at + max(0, count)]]


def _replace(value: str, old: str, new: str) -> str:
    check_length(len(value) + value.count(old) * (len(new) - len(old)))
    return value.replace(old, new)


def _split(scope: Scope, items: Items, separator: Items) -> Items:
    value, sign = text(items, "split()"), text(separator, "split()")
    if value is None or sign is None:
        return []
    return list(value.split(sign)) if sign else list(value)


def _join(scope: Scope, items: Items, separator: Items | None = None) -> Items:
    sign = text(separator or [], "join()") or ""
    found = [text([item], "join()") for item in items]
    parts = [part for part in found if part is not None]
    check_length(sum(map(len, parts)) + len(sign) * len(parts))
    return [sign.join(parts)] if items else []


def _encode(value: str, form: str) -> str | None:
    data = value.encode()
    if form == "hex":
        return data.hex()
    if form == "base64":
        return base64.b64encode(data).decode()
    return base64.urlsafe_b64encode(data).decode() if form == "urlbase64" else None


def _decode(value: str, form: str) -> str | None:
    try:
        if form == "hex":
            return bytes.fromhex(value).decode()
        if form == "base64":
            return base64.b64decode(value, validate=True).decode()
        return base64.urlsafe_b64decode(value).decode() if form == "urlbase64" else None
    except (ValueError, binascii.Error):
        return None


def _escape(value: str, form: str) -> str | None:
    if form == "html":
        return html.escape(value, quote=True).replace("&#x27;", "&#39;")
    return json.dumps(value, ensure_ascii=False)[1:-1] if form == "json" else None


def _unescape(value: str, form: str) -> str | None:
    if form == "html":
        return html.unescape(value)
    if form != "json":
        return None
    try:
        found = json.loads(
            '"' + re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', value) + '"', strict=False
        )
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _to_chars(scope: Scope, items: Items) -> Items:
    return list(text(items, "toChars()") or "")


_ON_STRINGS: dict[str, tuple[Callable[..., Any], int, tuple[str, ...]]] = {
    "indexOf": (lambda v, part: v.find(part), 1, _INTEGER),
    "lastIndexOf": (lambda v, part: v.rfind(part), 1, _INTEGER),
    "startsWith": (lambda v, part: v.startswith(part), 1, _BOOLEAN),
    "endsWith": (lambda v, part: v.endswith(part), 1, _BOOLEAN),
    "contains": (lambda v, part: part in v, 1, _BOOLEAN),
    "upper": (lambda v: v.upper(), 0, _STRING),
    "lower": (lambda v: v.lower(), 0, _STRING),
    "trim": (lambda v: v.strip(), 0, _STRING),
    "length": (lambda v: len(v), 0, _INTEGER),
    "replace": (_replace, 2, _STRING),
    "matches": (search, 1, _BOOLEAN),
    "matchesFull": (full_match, 1, _BOOLEAN),
    "replaceMatches": (substitute, 2, _STRING),
    "encode": (_encode, 1, _STRING),
    "decode": (_decode, 1, _STRING),
    "escape": (_escape, 1, _STRING),
    "unescape": (_unescape, 1, _STRING),
}

TABLE: dict[str, Function] = {
    "substring": Function(_substring, 1, 2, _STRING, "string"),
    "toChars": Function(_to_chars, 0, 0, _STRING, "string"),
    "split": Function(_split, 1, 1, _STRING, "string"),
    "join": Function(_join, 0, 1, _STRING, "string"),
}
for _name, (_act, _count, _returns) in _ON_STRINGS.items():
    _most = _count + (_name in ("matches", "matchesFull", "replaceMatches"))  # and flags
    TABLE[_name] = Function(_on_string(_name, _act), _count, _most, _returns, "string")
