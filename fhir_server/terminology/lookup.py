"""What is known of a code: https://hl7.org/fhir/R4/codesystem-operation-lookup.html"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.concept import Concept, speaks

Json = dict[str, Any]

_SYSTEM = ("url", "name", "version")


async def describe(
    system: CodeSystem, concept: Concept, wanted: Sequence[str], language: str
) -> list[Json]:
    """The parameters of the answer. `wanted` names properties; empty is all there are."""
    head = system.head
    rows: list[Json] = [{"name": "name", "valueString": head.title or head.name or head.url}]
    if head.version:
        rows.append({"name": "version", "valueString": head.version})
    display = concept.display_in(language, head.language)
    rows.append({"name": "display", "valueString": display or concept.code})
    rows += [
        _designation(one.json()) for one in concept.designations if _named(one.language, wanted)
    ]
    for name in _SYSTEM:
        value = getattr(head, name)
        if name in wanted and value:
            rows.append(_property(name, "valueUri" if name == "url" else "valueString", value))
    if concept.definition and _asks(wanted, "definition"):
        rows.append(_property("definition", "valueString", concept.definition))
    told = [one.code for one in concept.properties]
    if _asks(wanted, "parent") and "parent" not in told:
        rows += [_property("parent", "valueCode", code) for code in concept.parents]
    if _asks(wanted, "child") and "child" not in told:
        children = await system.children(concept.code)
        rows += [_property("child", "valueCode", code) for code in children]
    if _asks(wanted, "inactive") and "inactive" not in told and concept.inactive:
        rows.append(_property("inactive", "valueBoolean", True))
    rows += [
        _property(one.code, one.kind, one.value)
        for one in concept.properties
        if _asks(wanted, one.code)
    ]
    return rows


def _asks(wanted: Sequence[str], name: str) -> bool:
    return not wanted or name in wanted


def _named(language: str, wanted: Sequence[str]) -> bool:
    """Whether a designation is wanted: by `designation`, or by `lang.fr`."""
    return (
        not wanted
        or "designation" in wanted
        or any(speaks(language, tag) for tag in _languages(wanted))
    )


def _languages(wanted: Sequence[str]) -> Iterator[str]:
    return (name[5:] for name in wanted if name.startswith("lang."))


def _designation(found: Json) -> Json:
    parts: list[Json] = []
    if "language" in found:
        parts.append({"name": "language", "valueCode": found["language"]})
    if "use" in found:
        parts.append({"name": "use", "valueCoding": found["use"]})
    parts.append({"name": "value", "valueString": found["value"]})
    return {"name": "designation", "part": parts}


def _property(code: str, kind: str, value: Any) -> Json:
    parts = [{"name": "code", "valueCode": code}, {"name": "value", kind: value}]
    return {"name": "property", "part": parts}
