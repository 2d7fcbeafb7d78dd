"""The decision about an app: whose record, which encounter, which scopes; then back to the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from fhir_server.access.scopes import Scopes, parse_scopes
from fhir_server.services import Services
from fhir_server.smart.accounts import KINDS, Account
from fhir_server.smart.authorize import Approval, PendingAuthorization
from fhir_server.smart.endpoints import APPROVE
from fhir_server.smart.errors import OAuthError
from fhir_server.web import records
from fhir_server.web.page import go, page
from fhir_server.web.scope_words import asked
from fhir_server.web.sign_in import SIGN_IN
from fhir_server.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides about a request: somebody signed in, or the made-up person of a test suite."""

    account: Account
    auth_time: int
    session: str | None = None


async def show(visit: Visit, services: Services) -> Response:
    """GET /auth/approve: the next of the questions that are open."""
    pending = await visit.people.authorizer.pending(visit.given("request"))
    if pending is None:
        return page(visit, "fault.html", status=400, fault="request-gone")
    decider = _decider(visit, pending)
    if pending.prompt == "none":
        error = "login_required" if decider is None else "consent_required"
        return go(visit, await visit.people.authorizer.refuse(pending.id, error))
    if decider is None:
        return go(visit, SIGN_IN, next=f"{APPROVE}?request={pending.id}")
    return await _question(visit, services, pending, decider)


async def decide(visit: Visit, services: Services) -> Response:
    """POST /auth/approve: yes, with what is granted, or no."""
    authorizer = visit.people.authorizer
    pending = await authorizer.pending(visit.given("request"))
    if pending is None:
        return page(visit, "fault.html", status=400, fault="request-gone")
    decider = _decider(visit, pending)
    if decider is None:
        return go(visit, SIGN_IN, next=f"{APPROVE}?request={pending.id}")
    try:
        if visit.given("decision") != "allow":
            return go(visit, await authorizer.refuse(pending.id))
        patient, encounter = _context(visit, pending)
        if patient is not None and not decider.account.opens(patient):
            return page(visit, "fault.html", status=403, fault="patient-not-yours")
        if _asks_whose(pending, decider.account) and patient is None:
            return await _question(visit, services, pending, decider)
        ticked = parse_scopes(" ".join(visit.all("scope")))
        shown = {scope.text for part in asked(pending.scopes) for scope in part.items}
        unticked = {name for text in shown for name in text.split(" ")} - {
            *ticked.named,
            *(scope.text for scope in ticked.resources),
        }
        granted = permitted(pending.scopes, decider.account).without(unticked)
        approval = Approval(
            subject=decider.account.id,
            scope=str(granted),
            auth_time=decider.auth_time,
            fhir_user=decider.account.fhir_user,
            patient=patient,
            encounter=encounter,
            session=decider.session,
        )
        return go(visit, await authorizer.complete(pending.id, approval))
    except OAuthError:
        return page(visit, "fault.html", status=400, fault="request-gone")


def permitted(scopes: Scopes, account: Account) -> Scopes:
    """Of the scopes those that the person can grant at all: administrators have no health data."""
    if account.kind != "admin":
        return scopes
    return Scopes(named=tuple(n for n in scopes.named if n.partition("/")[0] != "launch"))


async def _question(
    visit: Visit, services: Services, pending: PendingAuthorization, decider: Decider
) -> Response:
    person = decider.account
    scopes = permitted(pending.scopes, person)
    client = await visit.people.clients.find(pending.client_id)
    common: dict[str, Any] = {
        "app": pending.client_name,
        "host": urlsplit(pending.redirect_uri).netloc or urlsplit(pending.redirect_uri).scheme,
        "request": pending.id,
        "person": person,
        "forms_to": _goal(pending.redirect_uri),
    }
    if (not scopes.resources and not scopes.named) or client is None:
        return page(visit, "nothing.html", **common)
    id_, encounter = _context(visit, pending)
    chosen = await records.patient(id_, person, services) if id_ else None
    if id_ and chosen is None:
        return page(visit, "nothing.html", status=403, **common)
    if _asks_whose(pending, person) and chosen is None:
        text = visit.given("name")
        listed = await records.patients(person, services, text)
        if len(listed) != 1 or person.kind == "practitioner":
            return page(
                visit, "patients.html", choices=listed, text=text, most=records.MOST, **common
            )
        chosen = listed[0]
    choices: list[records.Choice] = []
    if pending.needs_encounter and chosen and pending.launch is None:
        choices = await records.encounters(chosen.id, services)
    return page(
        visit,
        "approve.html",
        patient=chosen,
        encounter=encounter,
        encounters=choices,
        fixed=pending.launch is not None,
        groups=asked(scopes),
        **common,
    )


def _asks_whose(pending: PendingAuthorization, person: Account) -> bool:
    return pending.needs_patient and person.kind != "admin"


def _context(visit: Visit, pending: PendingAuthorization) -> tuple[str | None, str | None]:
    """The patient and the encounter: those of the launch, else those that were chosen."""
    if pending.launch is not None:
        return pending.launch.patient, pending.launch.encounter
    return visit.given("patient") or None, visit.given("encounter") or None


def _decider(visit: Visit, pending: PendingAuthorization) -> Decider | None:
    """Who decides; None where somebody must sign in, first or anew."""
    settings = visit.people.settings
    if settings.test_sign_in == "ask":
        reference = settings.test_user or None
        kind = KINDS.get((reference or "").partition("/")[0], "admin")
        patients = (settings.test_patient,)
        made_up = Account("test-user", "test", "Test", kind, reference, patients)
        return Decider(made_up, int(visit.people.now()))
    person, session = visit.person, visit.session
    if person is None or session is None:
        return None
    if session.request != pending.id:
        anew = "login" in (pending.prompt or "").split()
        age = visit.people.now() - session.begun
        if anew or (pending.max_age is not None and age > pending.max_age):
            return None
    return Decider(person, session.begun, session.id)


def _goal(redirect_uri: str) -> str:
    """What the form's policy must allow besides ourselves: the app, and where it goes on to."""
    parts = urlsplit(redirect_uri)
    if parts.scheme in ("http", "https"):
        return f"https: {parts.scheme}://{parts.netloc}"
    return f"https: {parts.scheme}:"
