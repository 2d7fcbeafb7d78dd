"""FHIR transaction interaction. https://hl7.org/fhir/R4/http.html#transaction

Everything that can fail without the database fails first. The plan is then carried out in one
MongoDB transaction, which may run it again: what it prepared is kept, unless the conditions of its
entries come out otherwise there.
"""

from __future__ import annotations

from fhir_server.errors import DuplicateId
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import bundle as bundles
from fhir_server.interactions.bundle_entries import Dispatch, RequestBundle
from fhir_server.interactions.commit import commit
from fhir_server.interactions.drafts import make_drafts
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.plan import make_plan
from fhir_server.interactions.resolution import resolve
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import VersionConflict

ATTEMPTS = 5
"""How often a transaction starts anew when others create or change what it is about."""


async def transaction(
    bundle: RequestBundle, request: FhirRequest, services: Services, dispatch: Dispatch
) -> FhirResponse:
    """200 with a transaction-response in the sender's order; on any error nothing is kept.

    Raises the faults of all entries where they are seen without the database, else the first
    error, each with `Bundle.entry[i]` as its place.
    """
    pace = Pace()
    plan = await make_plan(bundle.entries, request, services, pace)
    before = await resolve(plan, request, services, None)
    prepared = await make_drafts(plan, before, services, pace)

    async def attempt(session: Session) -> list[bytes]:
        resolution, drafts = before, prepared
        for claim in sorted(before.claims):
            await services.store.claim(claim, session)
        if before.found or before.versions:
            resolution = await resolve(plan, request, services, session, before)
            if resolution != before:
                drafts = await make_drafts(plan, resolution, services, pace)
        return await commit(plan, resolution, drafts, request, services, dispatch, session)

    types = {step.type for step in plan.steps if step.type}
    for remaining in reversed(range(ATTEMPTS)):
        try:
            entries = await services.store.transaction(attempt, types)
            break
        except (DuplicateId, VersionConflict):
            if not remaining:
                raise
    return FhirResponse(200, bundles.response("transaction-response", entries))
