"""Bindings of coded elements. https://hl7.org/fhir/R4/terminologies.html#strength"""

from __future__ import annotations

from typing import Any, Protocol

from fhir_server.validation.faults import Faults, State, shown
from fhir_server.validation.profiles.items import Item

__all__ = ["MAX_VALUE_SET", "Binding", "Members", "is_member"]

MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"


class Members(Protocol):
    """Terminology as far as validation needs it."""

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether a value set has a code; None where that cannot be told here."""


class Binding:
    """The check of one bound element; `severity` is what a code outside of the set is."""

    __slots__ = ("_members", "_severity", "_url")

    def __init__(self, members: Members, url: str, severity: str) -> None:
        self._members = members
        self._url = url
        self._severity = severity

    def __call__(self, item: Item, state: State) -> Faults:
        if is_member(item, self._url, self._members) is not False:
            return None
        word = "must" if self._severity == "error" else "should"
        text = f"{_told(item)} is not in the value set {self._url}: {word} be one of it"
        return state.fault("code-invalid", text, severity=self._severity)


def is_member(item: Item, url: str, members: Members) -> bool | None:
    """Whether a coded value is of the value set; None where it has no code, or nobody can tell."""
    value = item.value
    if type(value) is str:
        return members.contains(url, None, value)
    if type(value) is not dict:
        return None
    if item.code == "CodeableConcept":
        codings = value.get("coding")
        if not codings:
            return False if "text" in value else None
        answers = [_coding(coding, url, members) for coding in codings]
        return True if True in answers else None if None in answers else False
    if item.code == "Coding" or "code" in value:
        return _coding(value, url, members)
    return None


def _coding(coding: dict[str, Any], url: str, members: Members) -> bool | None:
    code = coding.get("code")
    if type(code) is not str:
        return False if "extension" not in coding else None
    system = coding.get("system")
    return False if type(system) is not str else members.contains(url, system, code)


def _told(item: Item) -> str:
    value = item.value
    if type(value) is str:
        return shown(value)
    codings = value.get("coding", ()) if item.code == "CodeableConcept" else (value,)
    told = [f"{c.get('system', '(no system)')}|{c.get('code', '(no code)')}" for c in codings]
    return shown(", ".join(told)) if told else "a concept without a code"
