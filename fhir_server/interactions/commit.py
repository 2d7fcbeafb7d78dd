"""Carrying out a transaction's plan inside one MongoDB transaction.

https://hl7.org/fhir/R4/http.html#trules. It may be run again: all that it does goes through the
session, and nothing of the plan is changed.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.errors import Gone, NotFound
from fhir_server.exchange import FhirRequest
from fhir_server.fhir.bundle import response_entry
from fhir_server.interactions.bundle_entries import Dispatch
from fhir_server.interactions.conditional_update import check_unused
from fhir_server.interactions.delete import deletion
from fhir_server.interactions.drafts import Drafts, linked
from fhir_server.interactions.entry_answer import answer_entry, status_line, version_entry
from fhir_server.interactions.labels import keep_labels
from fhir_server.interactions.literal_references import check_references
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.patch import patched
from fhir_server.interactions.places import below
from fhir_server.interactions.plan import Plan
from fhir_server.interactions.preconditions import check_preconditions
from fhir_server.interactions.resolution import Match, Resolution
from fhir_server.interactions.steps import Phase, Step
from fhir_server.interactions.update import check_update_create
from fhir_server.interactions.write import Draft
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version

_LOT = 300
"""Versions written at a time: between two lots others have their turn."""


async def commit(
    plan: Plan,
    resolution: Resolution,
    drafts: Drafts,
    request: FhirRequest,
    services: Services,
    dispatch: Dispatch,
    session: Session,
) -> list[bytes]:
    """The response entries in the Bundle's order, everything carried out in the session.

    Raises the error of the first step that fails, with its entry's place.
    """
    run = _Run(plan, resolution, drafts, request, services, dispatch, session)
    await run.look()
    for step in plan.of(Phase.DELETE):
        run.delete(step)
    await run.create()
    for step in plan.of(Phase.UPDATE):
        await run.update(step)
    for step in plan.of(Phase.PATCH):
        await run.patch(step)
    await run.finish()
    for step in plan.of(Phase.ASK):
        await run.ask(step)
    return [run.answers[step.index] for step in plan.steps]


class _Run:
    def __init__(
        self,
        plan: Plan,
        resolution: Resolution,
        drafts: Drafts,
        request: FhirRequest,
        services: Services,
        dispatch: Dispatch,
        session: Session,
    ) -> None:
        self.answers: dict[int, bytes] = {}
        self._plan = plan
        self._resolution = resolution
        self._drafts = drafts
        self._request = request
        self._services = services
        self._store = services.store
        self._dispatch = dispatch
        self._session = session
        self._pace = Pace()
        self._now = services.store.stamp()
        self._current: dict[tuple[str, str], Version] = {}
        self._new: list[Version] = []
        self._replaced: list[tuple[Step, Version, Version]] = []
        self._written = list(drafts.values())

    async def look(self) -> None:
        """Read the current versions of all that is touched, or only matched, at once."""
        touched = [
            (match.type, match.id)
            for found in self._resolution.found.values()
            for match in found
            if match.version
        ]
        for step in self._plan.of(Phase.DELETE, Phase.UPDATE, Phase.PATCH):
            if step.criteria is None or step.phase is Phase.UPDATE:
                target = self._resolution.target(step)
                touched.append((target.type, target.id))
        if touched:
            self._current = await self._store.read_many(
                touched, self._request.grant, self._session, tombstones=True
            )

    def delete(self, step: Step) -> None:
        matches = (
            [Match(step.type, step.id)]
            if step.criteria is None
            else self._resolution.found[step.index]
        )
        gone: list[Version] = []
        for match in matches:
            current = self._current.get((match.type, match.id))
            with below(step.entry.place):
                check_preconditions(step.request, current)
            if current is not None and not current.deleted:
                new = deletion(current, self._after(current))
                self._replaced.append((step, new, current))
                gone.append(new)
        if not matches:
            with below(step.entry.place):
                check_preconditions(step.request, None)
        self.answers[step.index] = (
            version_entry(gone[0], 204, step.request)
            if len(gone) == 1
            else response_entry(status_line(204))
        )

    async def create(self) -> None:
        """All creates, stored together by type."""
        for step in self._plan.of(Phase.CREATE):
            await self._pace.step()
            if self._resolution.is_written(step):
                version = self._drafts[step.index].version(1, self._now, "POST")
                self._new.append(version)
                self.answers[step.index] = version_entry(version, 201, step.request)

    async def update(self, step: Step) -> None:
        await self._pace.step()
        draft = self._drafts[step.index]
        current = self._current.get((draft.type, draft.id))
        with below(step.entry.place):
            if step.criteria is not None and not self._resolution.found[step.index]:
                check_unused(step.given, current)
            check_preconditions(step.request, current)
            if current is None:
                chosen = step.criteria is None or step.given is not None
                check_update_create(draft, step.request.grant, self._services, chosen=chosen)
        if current is None:
            version = draft.version(1, self._now, "PUT")
            self._new.append(version)
            self.answers[step.index] = version_entry(version, 201, step.request)
            return
        draft = keep_labels(draft, current, self._services)
        self._put(draft, current, "PUT", step)

    async def patch(self, step: Step) -> None:
        await self._pace.step()
        target = self._resolution.target(step)
        current = self._current.get((target.type, target.id))
        with below(step.entry.place):
            check_preconditions(step.request, current)
            if current is None:
                raise NotFound(f"{target.type}/{target.id} does not exist; nothing to patch")
            if current.deleted:
                raise Gone(f"{target.type}/{target.id} was deleted; nothing to patch")
        assert step.change is not None  # noqa: S101  read with the step
        with below(step.place):
            draft = patched(current, step.change, self._request, self._services)
            draft = linked(draft, step, self._plan, self._resolution, self._request, self._services)
        self._written.append(draft)
        self._put(draft, current, "PATCH", step)

    async def finish(self) -> None:
        """Store what takes another's place and what is new; answer creates that found theirs."""
        await self._replace()
        by_type: dict[str, list[Version]] = {}
        for version in self._new:
            by_type.setdefault(version.type, []).append(version)
        for versions in by_type.values():
            for start in range(0, len(versions), _LOT):
                lot = versions[start : start + _LOT]
                await self._store.insert(lot, self._request.grant, self._session)
        await check_references(
            (draft.resource for draft in self._written),
            self._request,
            self._services,
            self._session,
        )
        if self._resolution.found:
            self._answer_found()

    def _answer_found(self) -> None:
        """Answer creates whose condition found something with what that is."""
        made = {(version.type, version.id): version for version in self._new}
        for step in self._plan.of(Phase.CREATE):
            if not self._resolution.is_written(step):
                target = self._resolution.target(step)
                key = (target.type, target.id)
                found = made.get(key) or self._current[key]
                self.answers[step.index] = version_entry(found, 200, step.request)

    async def ask(self, step: Step) -> None:
        """Answer a read or search with what the transaction has made."""
        asked = replace(step.request, session=self._session)
        with below(step.entry.place):
            response = await self._dispatch(asked, self._services)
            self.answers[step.index] = await answer_entry(response, asked.method)

    def _put(self, draft: Draft, current: Version, method: str, step: Step) -> None:
        version = draft.version(current.version + 1, self._after(current), method)
        self._replaced.append((step, version, current))
        status = 201 if current.deleted else 200
        self.answers[step.index] = version_entry(version, status, step.request)

    async def _replace(self) -> None:
        for start in range(0, len(self._replaced), _LOT):
            lot = self._replaced[start : start + _LOT]
            errors = await self._store.replace_all(
                [(new, current) for _, new, current in lot], self._request.grant, self._session
            )
            for (step, _, _), error in zip(lot, errors, strict=True):
                with below(step.entry.place):
                    if error is not None:
                        raise error

    def _after(self, current: Version) -> int:
        return max(self._now, current.updated + 1000)
