"""The contents that a transaction will store, once its conditions are resolved."""

from __future__ import annotations

from fhir_server.errors import FhirError, Unprocessable
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import references
from fhir_server.fhir.elements import Content
from fhir_server.interactions.literal_references import refuse_conditional_references
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import moved_below
from fhir_server.interactions.plan import URNS, Plan, rewritten
from fhir_server.interactions.resolution import Resolution
from fhir_server.interactions.steps import Phase, Step
from fhir_server.interactions.write import Draft, check, draft
from fhir_server.services import Services

Drafts = dict[int, Draft]
"""By the number of the entry."""


async def make_drafts(plan: Plan, resolution: Resolution, services: Services, pace: Pace) -> Drafts:
    """A draft for every step that stores its content; the plan stays as it is."""
    moved = _moved(plan, resolution)
    drafts: Drafts = {}
    for step in plan.of(Phase.CREATE, Phase.UPDATE):
        if not resolution.is_written(step):
            continue
        await pace.step()
        content = step.content
        if step.index in plan.open_steps:
            mapping = _mapping(step, plan, resolution, moved)
            content = references.rewrite_content(content, mapping)
        try:
            drafts[step.index] = draft(content, resolution.id(step), services)
        except FhirError as error:
            raise moved_below(error, step.place) from None
    return drafts


def linked(
    new: Draft,
    step: Step,
    plan: Plan,
    resolution: Resolution,
    request: FhirRequest,
    services: Services,
) -> Draft:
    """The result of a patch with its links to entries of the Bundle resolved."""
    before = Content(new.resource, new.raw)
    content, unknown = rewritten(before, step, plan)
    mapping = _mapping(step, plan, resolution, _moved(plan, resolution))
    content = references.rewrite_content(content, mapping)
    for found in references.find(content.resource) if unknown else ():
        if found.type == "Reference" and found.text.startswith(URNS) and found.text in unknown:
            raise Unprocessable(
                f"{found.text[:80]} is the fullUrl of no entry that is stored",
                code="not-found",
                expression=found.place,
            )
    refuse_conditional_references(content.resource, content.raw)
    if content is before:
        return new
    check(content, request, services)
    return draft(content, new.id, services)


def _moved(plan: Plan, resolution: Resolution) -> dict[str, str]:
    """Provisional references to what conditions decide -> the real ones."""
    moved = dict(resolution.references)
    for step in plan.of(Phase.CREATE, Phase.UPDATE, Phase.PATCH):
        if step.criteria is None:
            continue
        target = resolution.target(step)
        before, after = f"{step.type}/{step.id}", f"{target.type}/{target.id}"
        moved[before] = after
        if step.phase is Phase.CREATE:
            moved[f"{before}/_history/1"] = f"{after}/_history/{target.version or 1}"
    return moved


def _mapping(
    step: Step, plan: Plan, resolution: Resolution, moved: dict[str, str]
) -> references.Mapping:
    def mapping(text: str) -> str | None:
        new = moved.get(text)
        if new is None and plan.versioned:
            link = plan.links.find(text, step)
            if link is not None and link.versioned and link.step.index in resolution.versions:
                target = resolution.target(link.step)
                version = resolution.versions[link.step.index]
                new = f"{target.type}/{target.id}/_history/{version}"
        return new if new != text else None

    return mapping
