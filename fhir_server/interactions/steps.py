"""What each entry of a transaction will do, as far as it can be said without the database.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from fhir_server.access.grant import Action, Grant
from fhir_server.errors import FhirError, Forbidden, MalformedRequest, UnknownType
from fhir_server.exchange import FhirRequest, Target
from fhir_server.fhir import elements
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.elements import Content, named
from fhir_server.fhir.primitives import TEXT
from fhir_server.interactions.bundle_entries import Entry, refuse_all
from fhir_server.interactions.criteria import Criteria, criteria_of_query, criteria_of_text
from fhir_server.interactions.entry_content import as_request
from fhir_server.interactions.entry_request import EntryRequest
from fhir_server.interactions.pace import Pace
from fhir_server.interactions.patch import Change, read_change
from fhir_server.interactions.places import at, below, moved_below
from fhir_server.interactions.write import check_id, checked_type
from fhir_server.services import Services


class Phase(IntEnum):
    """The order in which entries are carried out, whatever their order in the Bundle."""

    DELETE = 0
    CREATE = 1
    UPDATE = 2
    PATCH = 3
    ASK = 4


_ACTIONS = {
    Phase.DELETE: Action.DELETE,
    Phase.CREATE: Action.CREATE,
    Phase.UPDATE: Action.UPDATE,
    Phase.PATCH: Action.UPDATE,
}
_CREATE, _ASK = Phase.CREATE, Phase.ASK  # to look one up costs as much as a call
_PHASES = {"DELETE": Phase.DELETE, "PUT": Phase.UPDATE, "PATCH": Phase.PATCH}


NOTHING = Content({}, b"")


@dataclass(slots=True)
class Step:
    """One entry's part.

    `id` is what the URL names or, of what may be created, the id it will then have; `given` is
    the id in the body of a conditional update. `criteria` decide what is really touched.
    """

    entry: Entry
    index: int
    """The number of the entry."""
    phase: Phase
    request: FhirRequest
    type: str = ""
    id: str = ""
    criteria: Criteria | None = None
    given: str | None = None
    content: Content = NOTHING
    change: Change | None = None

    @property
    def resource(self) -> Resource:
        """What the entry has to store, empty where it stores nothing."""
        return self.content.resource

    @property
    def place(self) -> str:
        """Where the entry's resource stands, as FHIRPath."""
        return f"{self.entry.place}.resource"


async def read_steps(
    entries: Iterable[Entry], request: FhirRequest, services: Services, pace: Pace
) -> list[Step]:
    """The steps in the order of the entries; raises with every entry that cannot be one."""
    steps: list[Step] = []
    faults: list[FhirError] = []
    requests = _Requests(request, services)
    for entry in entries:
        await pace.step()
        try:
            steps.append(_read(entry, requests, services))
        except FhirError as fault:
            faults.append(moved_below(fault, entry.place))
    refuse_all(faults)
    check_identities(
        (f"{step.type}/{step.id}", step)
        for step in steps
        if step.phase is not _ASK and step.criteria is None
    )
    # Two updates by the same criteria would change one resource twice, or create two.
    check_identities(
        (step.criteria.key, step) for step in steps if step.criteria and step.phase is not _CREATE
    )
    return steps


def check_identities(touched: Iterable[tuple[str, Step]]) -> None:
    """Raise MalformedRequest where two steps touch the same thing."""
    seen: dict[str, Step] = {}
    for name, step in touched:
        other = seen.setdefault(name, step)
        if other is not step:
            raise MalformedRequest(
                f"{name[:200]} is touched by entries {other.index} and {step.index}; "
                "a transaction touches a resource once",
                expression=(other.entry.place, step.entry.place),
                code="duplicate",
            )


def _read(entry: Entry, requests: _Requests, services: Services) -> Step:
    own = requests.known(entry)
    phase = _CREATE if own is not None else _phase(entry.request)
    if own is None:
        own = requests.new(entry, phase)
    if phase is _ASK:
        return Step(entry, entry.index, phase, own)
    step = Step(entry, entry.index, phase, own, own.target.type, own.target.id)
    if phase is _CREATE:
        _read_create(step, services)
        return step
    if not own.target.id:
        with at(f"{entry.place}.request.url"):
            step.criteria = criteria_of_query(own)
    if phase is Phase.UPDATE:
        _read_update(step, services)
    elif phase is Phase.PATCH:
        with below(step.place):
            step.change = read_change(own, services)
    return step


def _phase(asked: EntryRequest) -> Phase:
    method, path = asked.method, asked.path
    if method in ("GET", "HEAD") or (
        method == "POST" and (path.endswith("_search") or "$" in path)
    ):
        return _ASK
    return _PHASES.get(method, _CREATE)


def _read_create(step: Step, services: Services) -> None:
    step.id = services.new_id()
    step.content = named(_content(step, services), step.id)
    criteria = step.request.headers.get("if-none-exist")
    if criteria is not None:
        with at(f"{step.entry.place}.request.ifNoneExist"):
            step.criteria = criteria_of_text(criteria, step.type, "ifNoneExist")


def _read_update(step: Step, services: Services) -> None:
    content = _content(step, services)
    given = content.resource.get("id")
    if step.criteria is None:
        with below(step.place):
            check_id(content.resource, step.id)
    else:
        step.given = given
        step.id = given if isinstance(given, str) else services.new_id()
    step.content = content if "id" in content.resource else named(content, step.id)


def _content(step: Step, services: Services) -> Content:
    try:
        raw = step.entry.raw
        content = elements.read(raw, max_bytes=len(raw), max_depth=services.settings.max_depth)
        checked_type(content, step.type)
    except FhirError as error:
        raise moved_below(error, step.place) from None
    return content


class _Requests:
    """The entries as requests of their own, by the sender of the Bundle.

    Most entries ask for the same few creates: these are one request without a body, for each
    entry has the resource itself.
    """

    def __init__(self, request: FhirRequest, services: Services) -> None:
        self._request = request
        self._services = services
        self._creates: dict[EntryRequest, FhirRequest] = {}

    def known(self, entry: Entry) -> FhirRequest | None:
        """The create that another entry asked for with the same words."""
        return self._creates.get(entry.request) if entry.raw else None

    def new(self, entry: Entry, phase: Phase) -> FhirRequest:
        """The entry's request, with its target where it writes."""
        own = as_request(entry, self._request)
        if phase is not _ASK:
            with at(f"{entry.place}.request.url"):
                own.target = _target(own.path, phase, own.grant, self._services)
        if phase is _CREATE:
            own.body = b""
            self._creates[entry.request] = own
        return own


def _target(path: str, phase: Phase, grant: Grant, services: Services) -> Target:
    type_, *rest = path.split("/")
    if not services.definitions.is_resource(type_):
        raise UnknownType(f"'{type_[:80]}' is no resource type of FHIR R4")
    if not grant.allows(type_, _ACTIONS[phase]):
        raise Forbidden(f"Not permitted: {_ACTIONS[phase].name.lower()} on {type_}")
    if phase is _CREATE and rest:
        raise MalformedRequest("POST goes to a type, such as Patient")
    if not rest:
        return Target(type_)
    if len(rest) > 1 or not TEXT["id"](rest[0]):
        raise MalformedRequest(
            f"'{path[:120]}' names no resource; Patient/1 does, with an id of 1 to 64 letters, "
            "digits, '-' and '.'"
        )
    return Target(type_, rest[0])
