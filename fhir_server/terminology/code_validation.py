"""Whether a code is valid: https://hl7.org/fhir/R4/valueset-operation-validate-code.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.search.folding import fold
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.concept import Concept, speaks
from fhir_server.terminology.library import is_version
from fhir_server.terminology.value_set import Compiled, Member

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A code as it was sent. `system` None where nothing was said of it."""

    system: str | None
    code: str
    version: str = ""
    display: str = ""

    @classmethod
    def of_coding(cls, coding: Json) -> Asked:
        """The code of a Coding."""
        return cls(
            coding.get("system"),
            coding.get("code", ""),
            coding.get("version", ""),
            coding.get("display", ""),
        )

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"'{self.code[:100]}'" + (f" of {self.system[:200]}" if self.system else "")


@dataclass(frozen=True, slots=True)
class Context:
    """Whether abstract codes may be, and the language that displays are meant in."""

    abstract: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer; `display` is the right one where the code is known."""

    result: bool
    message: str = ""
    display: str = ""


async def in_code_system(system: CodeSystem, asked: Asked, context: Context) -> Verdict:
    """Whether the code system has the code."""
    head = system.head
    if asked.system is not None and asked.system != head.url:
        return Verdict(False, f"The code {asked.name} is not of the code system {head.url}")
    if asked.version and head.version and not is_version(head.version, asked.version):
        return Verdict(False, f"{head.url} is here in version {head.version}, not {asked.version}")
    concept = (await system.find((asked.code,))).get(asked.code)
    if concept is None:
        text = f"The code '{asked.code[:100]}' is not in {head.canonical}"
        if not head.complete:
            text += f", of which only a part is here (content: {head.content})"
        return Verdict(False, text)
    return _judge(concept, concept.display, (), asked, context, head.language)


async def in_value_set(value_set: Compiled, asked: Asked, context: Context) -> Verdict:
    """Whether the value set has the code."""
    found = await value_set.find(asked.system, asked.code)
    if found is None:
        return Verdict(
            False,
            f"Whether {asked.name} is in {value_set.name} cannot be told: its code system "
            "is not known here, or only in part",
        )
    if not isinstance(found, Member):
        return Verdict(False, f"The code {asked.name} is not in {value_set.name}")
    if asked.version and found.version and not is_version(found.version, asked.version):
        return Verdict(
            False,
            f"{value_set.name} takes {found.system} in version {found.version}, "
            f"not {asked.version}",
        )
    own = [
        (row.get("language", ""), row.get("value", "")) for row in found.row.get("designation", ())
    ]
    return _judge(found.concept, found.display, own, asked, context)


def _judge(
    concept: Concept,
    display: str,
    own: Sequence[tuple[str, str]],
    asked: Asked,
    context: Context,
    language: str = "",
) -> Verdict:
    shown = display
    if context.language and not speaks(language, context.language):
        translated = [text for tag, text in own if speaks(tag, context.language)]
        shown = translated[0] if translated else concept.display_in(context.language, language)
        shown = display if shown == concept.display else shown
    if concept.abstract and not context.abstract:
        text = f"The code {asked.name} is abstract: it only gathers others, choose one below it"
        return Verdict(False, text, shown)
    if asked.display:
        right = [shown, display, concept.display, *(text for _, text in own)]
        right += [one.value for one in concept.designations]
        if fold(asked.display) not in {fold(text) for text in right if text}:
            text = f"'{asked.display[:200]}' is no display of {asked.name}; it is '{shown}'"
            return Verdict(False, text, shown)
    if concept.inactive:
        return Verdict(True, f"The code {asked.name} is no longer in use (inactive)", shown)
    return Verdict(True, "", shown)


def any_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a CodeableConcept: one coding that is valid is enough."""
    for one in verdicts:
        if one.result:
            return one
    if not verdicts:
        return Verdict(False, "The CodeableConcept has no coding with a code")
    return Verdict(False, "; ".join(dict.fromkeys(one.message for one in verdicts)))
