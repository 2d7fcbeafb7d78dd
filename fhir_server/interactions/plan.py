"""A transaction as far as it goes without the database: ids given, links rewritten, all checked.

https://hl7.org/fhir/R4/http.html#trules. A reference to a `urn:uuid` or `urn:oid` that is the
fullUrl of no entry is refused: it could never be followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fhir_server.errors import FhirError, Unprocessable
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import references
from fhir_server.fhir.elements import Content
from fhir_server.interactions.bundle_entries import Entry, refuse_all
from fhir_server.interactions.criteria import Criteria, criteria_of_text
from fhir_server.interactions.links import Links
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import at, moved_below
from fhir_server.interactions.steps import Phase, Step, read_steps
from fhir_server.interactions.write import check
from fhir_server.services import Services

URNS = ("urn:uuid:", "urn:oid:")


class Condition(NamedTuple):
    """A conditional reference: what it looks for, and the first place that has it."""

    criteria: Criteria
    place: str


@dataclass(slots=True)
class Plan:
    """The steps, their contents checked and their links to each other rewritten.

    `conditions` are the conditional references by their text, `asked` their texts by step. What
    `open_steps` hold still depends on the database: conditional references, links to what a
    condition decides, and versions. `versioned` are the steps whose next version is referred to,
    `settled` what was rewritten so far to what it will be, whoever has it.
    """

    steps: list[Step]
    links: Links
    conditions: dict[str, Condition] = field(default_factory=dict)
    asked: dict[int, set[str]] = field(default_factory=dict)
    open_steps: set[int] = field(default_factory=set)
    versioned: set[int] = field(default_factory=set)
    settled: references.Settled = field(default_factory=references.Settled)
    _by_phase: dict[Phase, list[Step]] = field(default_factory=dict)

    @classmethod
    def of_steps(cls, steps: list[Step]) -> Plan:
        """Before anything is rewritten. Raises what `Links` raises."""
        links = Links(steps)
        return cls(steps, links, settled=references.Settled(marks=links.marks))

    def __post_init__(self) -> None:
        for step in self.steps:
            self._by_phase.setdefault(step.phase, []).append(step)

    def of(self, *phases: Phase) -> Iterable[Step]:
        """The steps of these phases, in the Bundle's order."""
        found = [self._by_phase[phase] for phase in phases if phase in self._by_phase]
        if len(found) > 1:
            return (step for step in self.steps if step.phase in phases)
        return found[0] if found else ()


async def make_plan(
    entries: Iterable[Entry], request: FhirRequest, services: Services, pace: Pace
) -> Plan:
    """The plan of the entries; raises with the faults of all of them, each at its place."""
    steps = await read_steps(entries, request, services, pace)
    plan = Plan.of_steps(steps)
    faults: list[FhirError] = []
    for step in plan.of(Phase.CREATE, Phase.UPDATE):
        await pace.step()
        try:
            _link(step, plan, request.base)
            check(step.content, request, services)
        except FhirError as fault:
            faults.append(moved_below(fault, step.place))
    refuse_all(faults)
    return plan


def rewritten(content: Content, step: Step, plan: Plan) -> tuple[Content, list[str]]:
    """The content with its links to other entries made references to their resources.

    With it the texts that may be references still to be resolved.
    """
    unknown: list[str] = []
    settled = plan.settled

    def mapping(text: str) -> str | None:
        if text in settled.texts:
            return settled.texts[text]
        link = plan.links.find(text, step)
        if link is None:
            if "?" in text or text.startswith(URNS):
                unknown.append(text)
                return None
            new = None
        else:
            target = link.step
            if target.criteria is not None:
                plan.open_steps.add(step.index)
            if not link.versioned:
                new = f"{target.type}/{target.id}"
            elif target.phase is Phase.CREATE:
                new = f"{target.type}/{target.id}/_history/1"
            else:
                plan.versioned.add(target.index)
                plan.open_steps.add(step.index)
                return None
            if target.criteria is not None:
                return new
        # A relative reference may mean something else to the next one.
        if ":" in text or not plan.links.has_bases:
            settled.texts[text] = new
        return new

    return references.rewrite_content(content, mapping, settled), unknown


def _link(step: Step, plan: Plan, base: str) -> None:
    step.content, unknown = rewritten(step.content, step, plan)
    if not unknown:
        return
    for found in references.find(step.resource):
        if found.type == "Reference" and found.text in unknown:
            place = f"{step.place}.{found.place.partition('.')[2]}"
            with at(place):
                _resolve_later(found.text, place, step, plan, base)


def _resolve_later(text: str, place: str, step: Step, plan: Plan, base: str) -> None:
    if text.startswith(URNS):
        if plan.links.find(text, step) is None:
            raise Unprocessable(
                f"{text[:80]} is the fullUrl of no entry that is stored", code="not-found"
            )
        return
    literal = references.parse(text)
    if not literal.query or literal.base not in ("", base):
        return
    plan.open_steps.add(step.index)
    plan.asked.setdefault(step.index, set()).add(text)
    if text not in plan.conditions:
        criteria = criteria_of_text(literal.query, literal.type, text[:80])
        plan.conditions[text] = Condition(criteria, place)
