"""What a transaction's conditions come to: asked of the database and of the Bundle itself.

https://hl7.org/fhir/R4/http.html#trules. Conditions see the entries in the order in which they are
carried out: a deleted resource matches no more, a created or updated one as it will be. Of several
creates under the same condition the first one creates; the others are answered with its resource.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fhir_server.errors import MalformedRequest, MultipleMatches, PreconditionFailed
from fhir_server.exchange import FhirRequest
from fhir_server.interactions.candidates import Candidates
from fhir_server.interactions.conditional_delete import matches_to_delete
from fhir_server.interactions.conditional_update import conditional_id
from fhir_server.interactions.criteria import Criteria
from fhir_server.interactions.matching import matches
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.places import at
from fhir_server.interactions.plan import Plan
from fhir_server.interactions.steps import Phase, Step, check_identities
from fhir_server.services import Services
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version


class Match(NamedTuple):
    """What a condition found: a stored version, or (0) what the same transaction creates."""

    type: str
    id: str
    version: int = 0


@dataclass(slots=True)
class Resolution:
    """The answers. Two that are equal make the same resources of the same plan.

    `found` has the matches of conditional entries by their index; `references` what conditional
    references become; `versions` the next version of what somebody refers to by version; `claims`
    are the conditions under which something may be created.
    """

    found: dict[int, tuple[Match, ...]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)

    def target(self, step: Step) -> Match:
        """The resource that a create, update or patch is about."""
        found = self.found.get(step.index)
        return found[0] if found else Match(step.type, step.id)

    def id(self, step: Step) -> str:
        """The id of the target."""
        found = self.found.get(step.index)
        return found[0].id if found else step.id

    def is_written(self, step: Step) -> bool:
        """Whether the step stores its content: not so a create whose condition found something."""
        return not self.found.get(step.index) or step.phase is not Phase.CREATE


async def resolve(
    plan: Plan,
    request: FhirRequest,
    services: Services,
    session: Session | None,
    earlier: Resolution | None = None,
) -> Resolution:
    """The answers as of now; those to conditional references are taken from `earlier` where the
    entries' own conditions came out as they did then.

    Raises, with the entry's place, MultipleMatches, PreconditionFailed for what is not there, and
    MalformedRequest where two entries come to touch one resource.
    """
    resolver = _Resolver(plan, request, services, session)
    await resolver.deletes()
    for step in plan.of(Phase.CREATE):
        if step.criteria is not None:
            await resolver.create(step, ())
    await resolver.updates()
    resolution = resolver.resolution
    if resolution.found:  # without conditions all is known, and checked, since the steps were read
        _check_touched(plan, resolution)
    await resolver.versions()
    if earlier is not None and earlier.found == resolution.found:
        resolution.references = earlier.references
    else:
        await resolver.references()
    return resolution


def _check_touched(plan: Plan, resolution: Resolution) -> None:
    touched: list[tuple[str, Step]] = []
    for step in plan.of(Phase.DELETE, Phase.CREATE, Phase.UPDATE, Phase.PATCH):
        if step.phase is Phase.DELETE and step.criteria is not None:
            touched += ((f"{m.type}/{m.id}", step) for m in resolution.found[step.index])
        elif resolution.is_written(step):
            target = resolution.target(step)
            touched.append((f"{target.type}/{target.id}", step))
    check_identities(touched)


class _Resolver:
    def __init__(
        self, plan: Plan, request: FhirRequest, services: Services, session: Session | None
    ) -> None:
        self.resolution = Resolution()
        self._plan = plan
        self._request = request
        self._services = services
        self._session = session
        self._pace = Pace()
        self._candidates = Candidates(request, services, session)
        for step in plan.of(Phase.CREATE):
            if step.criteria is None:
                self._candidates.add(step, step.id)

    async def deletes(self) -> None:
        for step in self._plan.of(Phase.DELETE):
            if step.criteria is None:
                self._candidates.hide(step.type, step.id)
                continue
            with at(f"{step.entry.place}.request.url"):
                found = await matches_to_delete(
                    step.criteria, step.request, self._services, self._session
                )
            self.resolution.found[step.index] = _as_matches(found)
            for match in found:
                self._candidates.hide(match.type, match.id)

    async def create(self, step: Step, waiting: tuple[int, ...]) -> None:
        """Resolve a conditional create, first those that its condition points at."""
        if step.index in self.resolution.found or step.criteria is None:
            return
        with at(f"{step.entry.place}.request.ifNoneExist"):
            if step.index in waiting:
                raise MalformedRequest("Conditions point at each other in a circle")
            criteria = await self._pointing(step.criteria, step, (*waiting, step.index))
            found = await self._one(criteria)
        self.resolution.claims.add(criteria.key)
        self.resolution.found[step.index] = found
        if not found:
            self._candidates.add(step, step.id)

    async def updates(self) -> None:
        """Resolve conditional updates and patches; none of them sees what another one changes."""
        for step in self._plan.of(Phase.UPDATE, Phase.PATCH):
            if step.criteria is not None:
                with at(f"{step.entry.place}.request.url"):
                    await self._update(step, step.criteria)
        for step in self._plan.of(Phase.UPDATE):
            target = self.resolution.target(step)
            self._candidates.hide(target.type, target.id)
            self._candidates.add(step, target.id)

    async def _update(self, step: Step, criteria: Criteria) -> None:
        criteria = await self._pointing(criteria, step, ())
        found = await self._one(criteria)
        self.resolution.found[step.index] = found
        if step.phase is Phase.PATCH and not found:
            raise PreconditionFailed(
                f"{str(criteria)[:200]} matches nothing that could be patched", code="not-found"
            )
        if step.phase is Phase.UPDATE:
            self.resolution.claims.add(criteria.key)
            if found:
                conditional_id(step.resource, step.given, found[0].id)

    async def versions(self) -> None:
        for index in self._plan.versioned:
            target = self.resolution.target(self._plan.steps[index])
            current = await self._services.store.current(
                target.type, target.id, self._request.grant, self._session
            )
            self.resolution.versions[index] = current.version + 1 if current else 1

    async def references(self) -> None:
        asked: set[str] = set()
        for index, texts in self._plan.asked.items():
            if self.resolution.is_written(self._plan.steps[index]):
                asked |= texts
        for text in sorted(asked):
            await self._pace.step()
            condition = self._plan.conditions[text]
            with at(condition.place):
                found = await self._one(condition.criteria)
                if not found:
                    raise PreconditionFailed(
                        f"{text[:200]} matches no resource; a conditional reference needs one",
                        code="not-found",
                    )
            self.resolution.references[text] = f"{found[0].type}/{found[0].id}"

    async def _one(self, criteria: Criteria) -> tuple[Match, ...]:
        """The one match, stored or about to be, or none; MultipleMatches for more."""
        hidden = self._candidates.hidden(criteria.type)
        stored = await matches(
            criteria.type,
            criteria.pairs,
            self._request.grant,
            self._services,
            self._session,
            limit=None if hidden else 2,
        )
        found = _as_matches([version for version in stored if version.id not in hidden])
        found += tuple(
            Match(criteria.type, id_) for id_ in await self._candidates.matches(criteria)
        )
        if len(found) > 1:
            raise MultipleMatches(
                f"{str(criteria)[:200]} matches more than one resource; use criteria that match one"
            )
        return found

    async def _pointing(self, criteria: Criteria, step: Step, waiting: tuple[int, ...]) -> Criteria:
        """The criteria with the fullUrls of entries replaced by what these will be."""
        pairs = []
        for name, value in criteria.pairs:
            link = self._plan.links.find(value, step)
            if link is not None:
                await self.create(link.step, waiting)
                target = self.resolution.target(link.step)
                value = f"{target.type}/{target.id}"
            pairs.append((name, value))
        return Criteria(criteria.type, tuple(pairs))


def _as_matches(versions: list[Version]) -> tuple[Match, ...]:
    return tuple(Match(version.type, version.id, version.version) for version in versions)
