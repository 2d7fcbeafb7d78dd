"""Tokens: https://hl7.org/fhir/R4/search.html#token.

Keys of `code=`: `system|code` and `code`, and `|code` where there is no system; `system|` is what
such keys begin with. A `|` or backslash inside system or code has a backslash before it. Case
counts, except in the systems of `CASELESS` and in a parameter whose values are all ContactPoints;
Identifiers are compared as they are. Codes of a required binding have the system that the binding
implies; other plain values and ContactPoints have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.collector import Collector, shortened
from fhir_server.search.kinds import Filter, MatchContext, Node, Terminology
from fhir_server.search.kinds.string import index_text, match_text
from fhir_server.search.values import (
    any_of,
    begins,
    keyed,
    missing,
    parts,
    shown,
    unescape,
    unsupported,
)

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

CASELESS = frozenset(("urn:ietf:bcp:13", "urn:ietf:bcp:47", "urn:iso:std:iso:3166"))
"""Systems whose codes mean the same in any case; their codes are kept in lower case."""

SPECIAL_VALUES = "http://hl7.org/fhir/special-values"
MODIFIERS = ("not", "text", "in", "not-in", "above", "below", "of-type")

_REPEATED = frozenset(("CodeableConcept", "Coding", "code", "boolean"))
_DETAILED = frozenset(("CodeableConcept", "Coding", "Identifier"))

Coding = tuple[str | None, str | None]


class Token:
    """The kind of parameters of type `token`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code, keys = parameter.code, out.keys
        out.seen[code] = None
        for node in nodes:
            type_, value = node
            repeated = type_ in _REPEATED
            for system, text in codings(parameter, node):
                if repeated:
                    keys |= _coding_keys(code, system, text)
                else:
                    for form in _all_forms(system, text):
                        keys[f"{code}={form}"] = None
            if type_ in _DETAILED:
                _index_details(code, type_, value, keys)

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        match modifier:
            case "":
                return _some(parameter.stored, parameter, values)
            case "not":
                return _none(parameter, values)
            case "missing":
                return missing(code, parameter.stored, values)
            case "text":
                names = [f"{name}:text" for name in parameter.stored]
                return any_of([match_text(name, value) for name in names for value in values])
            case "of-type":
                return keyed(
                    [
                        f"{name}:of-type={_of_type(code, value)}"
                        for name in parameter.stored
                        for value in values
                    ]
                )
            case "in" | "not-in" | "above" | "below":
                found = _concepts(parameter, modifier, values, context)
                return {"k": {"$nin" if modifier == "not-in" else "$in": found}}
            case _:
                raise unsupported(code, "token", modifier, MODIFIERS)

    def all_forms(self, parameter: Parameter, node: Node) -> Iterator[str]:
        """Everything that a token may be looked for as: see above."""
        for coding in codings(parameter, node):
            yield from _all_forms(*coding)

    def named(self, name: str, parameter: Parameter, values: Sequence[str]) -> Filter:
        """The filter for any of the values among the keys `name=`."""
        return _some((name,), parameter, values)

    def component_keys(self, parameter: Parameter, node: Node) -> list[str]:
        """What a composite's key says of the node: `system|code`, `code` or `|code`."""
        return [
            form
            for system, value in codings(parameter, node)
            if value is not None
            for form in _all_forms(system, value)
        ]

    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]:
        """The texts that a composite's key may have here, and whether each is only a beginning."""
        open_ = _is_open(parameter, value)
        return [(form, open_) for form in _forms(parameter, value)]


def _all_forms(system: str | None, value: str | None) -> Sequence[str]:
    """The code with its system, and without.

    One whose case counts not is in lower case; once more with a lone backslash before it, for
    searches that have capitals: those must find no code of another system in lower case.
    """
    before = _before(system)
    if value is None:
        return () if system is None else (before,)
    text = _part(value)
    whole = before + text
    return (text, f"\\{text}", whole) if system in CASELESS else (text, whole)


@lru_cache(maxsize=32_768)
def _coding_keys(name: str, system: str | None, value: str | None) -> dict[str, None]:
    """The keys of one coding; kept, since the same codes come in resource after resource."""
    return {f"{name}={form}": None for form in _all_forms(system, value)}


@lru_cache(maxsize=4_096)
def _before(system: str | None) -> str:
    """What stands before a code of the system; kept, as there are few systems."""
    return "|" if system is None else f"{_part(system)}|"


def codings(parameter: Parameter, node: Node) -> Sequence[Coding]:
    """System and code of a value, each None where it has none."""
    type_, value = node
    match type_:
        case "CodeableConcept":
            return [_coding(one.get("system"), one.get("code")) for one in value.get("coding", ())]
        case "Coding":
            return (_coding(value.get("system"), value.get("code")),)
        case "Identifier":
            return ((value.get("system"), value.get("value")),)
        case "ContactPoint":
            if "value" not in value:
                return ()
            caseless = parameter.types == {"ContactPoint"}
            return ((None, value["value"].lower() if caseless else value["value"]),)
        case "boolean":
            return ((SPECIAL_VALUES, "true" if value else "false"),)
        case "code":
            return ((parameter.systems.get(value), value),)
        case "Quantity" | "Money" | "Range" | "Reference" | "Period":
            return ()
        case _:
            return () if isinstance(value, dict) else ((None, str(value)),)


def _coding(system: str | None, code: str | None) -> Coding:
    if code is not None and system in CASELESS:
        return system, code.lower()
    return system, code


def _part(text: str) -> str:
    if "|" in text or "\\" in text or "$" in text:
        text = text.replace("\\", "\\\\").replace("|", "\\|").replace("$", "\\$")
    return text if len(text) <= 500 else shortened(text)


def _index_details(code: str, type_: str, value: dict[str, Any], keys: dict[str, None]) -> None:
    """Keys of `:text` and `:of-type`."""
    if type_ == "CodeableConcept":
        if "text" in value:
            index_text(f"{code}:text", value["text"], keys)
        for coding in value.get("coding", ()):
            if "display" in coding:
                index_text(f"{code}:text", coding["display"], keys)
    elif type_ == "Coding":
        if "display" in value:
            index_text(f"{code}:text", value["display"], keys)
    elif type_ == "Identifier" and "type" in value:
        kind = value["type"]
        if "text" in kind:
            index_text(f"{code}:text", kind["text"], keys)
        if "value" in value:
            for coding in kind.get("coding", ()):
                if "system" in coding and "code" in coding:
                    names = (coding["system"], coding["code"], value["value"])
                    keys[f"{code}:of-type={'|'.join(map(_part, names))}"] = None


def split(code: str, value: str) -> tuple[str | None, str]:
    """System (None where no `|` stands, "" where nothing stands before it) and code of a value."""
    found = [unescape(part) for part in parts(value, "|")]
    if len(found) > 2 or not any(found):
        raise MalformedRequest(
            f"{code}={shown(value)} is no token: write code, system|code, system| or |code, "
            "and a backslash before a | that belongs to the code"
        )
    return (None, found[0]) if len(found) == 1 else (found[0], found[1])


def _forms(parameter: Parameter, value: str) -> list[str]:
    system, code = split(parameter.code, value)
    if parameter.types == {"ContactPoint"}:
        code = code.lower()
    if system is None:
        lower = code.lower()
        if lower == code or not _may_be_caseless(parameter):
            return [_part(code)]
        return [_part(code), f"\\{_part(lower)}"]
    if system in CASELESS:
        code = code.lower()
    return [f"{_part(system)}|{_part(code)}"]


def _may_be_caseless(parameter: Parameter) -> bool:
    """Whether codings of any system may stand here, so those of CASELESS ones too."""
    return not parameter.types or not parameter.types.isdisjoint(("CodeableConcept", "Coding"))


def _is_open(parameter: Parameter, value: str) -> bool:
    """Whether any code of a system is meant: `system|`."""
    system, code = split(parameter.code, value)
    return bool(system and not code)


def _keys(
    names: Sequence[str], parameter: Parameter, values: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Whole keys, and beginnings of keys, that one of the values is looked for by."""
    whole: list[str] = []
    beginnings: list[str] = []
    for value in values:
        found = beginnings if _is_open(parameter, value) else whole
        found += [f"{name}={form}" for name in names for form in _forms(parameter, value)]
    return list(dict.fromkeys(whole)), beginnings


def _some(names: Sequence[str], parameter: Parameter, values: Sequence[str]) -> Filter:
    whole, beginnings = _keys(names, parameter, values)
    filters = [begins(beginning) for beginning in beginnings]
    return any_of([keyed(whole), *filters] if whole else filters)


def _none(parameter: Parameter, values: Sequence[str]) -> Filter:
    whole, beginnings = _keys(parameter.stored, parameter, values)
    unwanted: list[Filter] = [{"k": {"$in": whole}}] if whole else []
    unwanted += [begins(beginning) for beginning in beginnings]
    return {"k": {"$nin": whole}} if not beginnings else {"$nor": unwanted}


def _of_type(code: str, value: str) -> str:
    found = [unescape(part) for part in parts(value, "|")]
    if len(found) != 3 or not all(found):
        raise MalformedRequest(f"{code}:of-type takes system|code|value of an identifier's type")
    return "|".join(map(_part, found))


def _concepts(
    parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
) -> list[str]:
    terminology = context.terminology
    if terminology is None:
        raise UnsupportedParameter(
            f"{parameter.code}:{modifier} needs a terminology service, and none is set up here"
        )
    found: dict[str, None] = {}
    for value in values:
        for system, code in _members(parameter.code, terminology, modifier, value):
            for name in parameter.stored:
                concept = code.lower() if system in CASELESS else code
                found[f"{name}={_part(system)}|{_part(concept)}"] = None
    return list(found)


def _members(
    code: str, terminology: Terminology, modifier: str, value: str
) -> Sequence[tuple[str, str]]:
    if modifier in ("in", "not-in"):
        return terminology.expand(unescape(value))
    system, concept = split(code, value)
    if modifier == "above":
        return terminology.above(system, concept)
    return terminology.below(system, concept)
