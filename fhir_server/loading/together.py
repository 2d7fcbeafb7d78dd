"""The lines of a lot, taken in together.

Most lines of a load are resources that nobody had before. Each is checked and indexed as any other
write is; but one query finds out that they are new, and one call stores them. As requests of their
own they would cost half as much again: a task and an answer each, many small calls to the database,
and a journal written for each of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.dispatch import match
from fhir_server.errors import DuplicateId, FhirError
from fhir_server.exchange import FhirRequest
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.update import check_update_create
from fhir_server.interactions.write import draft_for, new_draft
from fhir_server.loading.answers import reasons
from fhir_server.loading.lots import Lot
from fhir_server.loading.report import Failure, Report
from fhir_server.loading.run import load_lines
from fhir_server.loading.submissions import Submission
from fhir_server.loading.targets import GRANT, direct, request_for
from fhir_server.services import Services
from fhir_server.store.version import Version

IN_FLIGHT = 128
"""Lines under way at once of those that are requests of their own: the store gathers them."""


class _Line(NamedTuple):
    item: Submission
    request: FhirRequest

    @property
    def name(self) -> tuple[str, str]:
        return self.request.target.type, self.request.target.id


async def take_in(lot: Lot, services: Services) -> Report:
    """Store the lines; what became of them. Where one is known already, it is an update."""
    return await _Intake(lot, services).done()


class _Intake:
    def __init__(self, lot: Lot, services: Services) -> None:
        self._lot = lot
        self._services = services
        self._report = Report(0)

    async def done(self) -> Report:
        if self._services.settings.reference_check:
            # They may name one another, and then those that are named have to be there.
            await self._one_by_one(self._lot.items)
            return self._report
        lines = list(self._lines())
        try:
            known = await self._known(lines)
        except FhirError as error:
            for line in lines:
                self._fail(line.item, error)
            return self._report
        late = await self._insert([line for line in lines if line.name not in known])
        again = [line.item for line in lines if line.name in known]
        await self._one_by_one([*again, *late])
        return self._report

    def _lines(self) -> Iterable[_Line]:
        """Those whose type and id can be."""
        for item in self._lot.items:
            request = request_for(item, self._services)
            try:
                found = match(item.method, item.path, self._services.definitions)
            except FhirError as error:
                self._fail(item, error)
            else:
                request.target = found.target
                yield _Line(item, request)

    async def _known(self, lines: Iterable[_Line]) -> set[tuple[str, str]]:
        """Type and id of what is, or was, there already."""
        named: dict[str, list[str]] = {}
        for type_, id_ in (line.name for line in lines):
            if id_:
                named.setdefault(type_, []).append(id_)
        return {
            (type_, id_)
            for type_, ids in named.items()
            for id_ in await self._services.store.known(type_, ids, GRANT)
        }

    async def _insert(self, lines: Iterable[_Line]) -> list[Submission]:
        """Store those that are right; those that somebody else was faster with are given back."""
        items: list[Submission] = []
        versions: list[Version] = []
        pace = Pace()
        for line in lines:
            try:
                versions.append(self._version(line.request))
            except FhirError as error:
                self._fail(line.item, error)
            else:
                items.append(line.item)
            await pace.step()
        late: list[Submission] = []
        outcomes = await self._services.store.insert_all(versions, GRANT)
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome is None:
                self._report.entries += 1
            elif isinstance(outcome, DuplicateId):
                late.append(item)
            else:
                self._fail(item, outcome)
        return late

    def _version(self, request: FhirRequest) -> Version:
        services = self._services
        if not request.target.id:
            return new_draft(request, services).version(1, services.store.stamp(), "POST")
        draft = draft_for(request, services)
        check_update_create(draft, GRANT, services)
        return draft.version(1, services.store.stamp(), "PUT")

    async def _one_by_one(self, items: Iterable[Submission]) -> None:
        send = direct(self._services)
        await load_lines(self._lot.file, items, send, self._report, lambda *_: None, IN_FLIGHT)

    def _fail(self, item: Submission, error: FhirError) -> None:
        told = reasons(outcome_bytes(error.issues))
        self._report.fail(Failure(self._lot.file, item.place, error.status, told))
