"""The account page: password, authenticator, passkeys, codes on paper, apps, other devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from fhir_server.smart import totp
from fhir_server.smart.accounts import Account
from fhir_server.smart.endpoints import MANAGE
from fhir_server.smart.passkeys import Refused
from fhir_server.smart.people import TITLE
from fhir_server.web.page import go, page
from fhir_server.web.sign_in import SIGN_IN
from fhir_server.web.visit import Visit

TOTP = "/account/authenticator"
PASSKEYS = "/account/passkeys"
PAPER = "/account/paper"
APPS = "/account/apps"
ELSEWHERE = "/account/elsewhere"


@dataclass(frozen=True, slots=True)
class App:
    """An approval that holds: its family, the app's name, the day it was given."""

    family: str
    name: str
    since: str


async def show(visit: Visit, *, error: str = "", done: bool = False, status: int = 200) -> Response:
    """GET /account."""
    person = visit.person
    if person is None:
        return go(visit, SIGN_IN, next=MANAGE)
    people = visit.people
    # Asked for anew: the form that was just sent may have changed it.
    person = await people.accounts.get(person.id) or person
    apps = []
    for family in await people.tokens.families(person.id, people.now()):
        client = await people.clients.find(family.client_id)
        name = client.name if client else family.client_id
        apps.append(App(family.id, name, _day(family.created)))
    options = ""
    if visit.recent:
        options = await people.passkeys.ask_new(
            visit.token, person.id, person.name, person.passkeys
        )
    return page(
        visit,
        "account.html",
        status=status,
        script=True,
        errors={"title": error} if error else None,
        person=person,
        recent=visit.recent,
        passkeys=[(key, _day(key.created)) for key in person.passkeys],
        options=options,
        apps=apps,
        done=done or visit.given("done") == "1",
    )


async def show_totp(visit: Visit) -> Response:
    """GET /account/authenticator: a new secret to scan."""
    person = _recent(visit)
    if person is None:
        return _again(visit)
    return _totp_page(visit, person, totp.new_secret())


async def set_totp(visit: Visit) -> Response:
    """POST /account/authenticator: the code that shows that the app works; or no app any more."""
    person = _recent(visit)
    if person is None:
        return _again(visit)
    if visit.given("drop"):
        await visit.people.accounts.drop_totp(person.id)
        return _done(visit)
    # The secret comes back in the form: it is the person's own, and theirs alone to weaken.
    secret = visit.given("secret")
    if not 26 <= len(secret) <= 64 or not secret.isalnum() or not secret.isascii():
        return _totp_page(visit, person, totp.new_secret(), error="code-wrong")
    try:
        good = await visit.people.accounts.set_totp(person.id, secret, visit.given("code"))
    except ValueError:
        return _totp_page(visit, person, totp.new_secret(), error="code-wrong")
    if not good:
        return _totp_page(visit, person, secret, error="code-wrong")
    return _done(visit)


async def set_passkeys(visit: Visit) -> Response:
    """POST /account/passkeys: one that the browser made, or one to forget."""
    person = _recent(visit)
    if person is None:
        return _again(visit)
    people = visit.people
    if visit.given("remove"):
        await people.accounts.drop_passkey(person.id, visit.given("remove"))
        return _done(visit)
    title = visit.given("title").strip()[:60] or _day(people.now())
    try:
        passkey = await people.passkeys.made(visit.token, visit.given("answer"), title)
        if not await people.accounts.add_passkey(person.id, passkey):
            raise Refused("somebody has it")
    except Refused:
        return await show(visit, error="passkey-refused", status=400)
    return _done(visit)


async def new_paper(visit: Visit) -> Response:
    """POST /account/paper: a new sheet of codes, shown this once."""
    person = _recent(visit)
    if person is None:
        return _again(visit)
    codes = await visit.people.accounts.new_sheet(person.id)
    return page(visit, "paper.html", person=person, codes=codes, printed=_day(visit.people.now()))


async def revoke_app(visit: Visit) -> Response:
    """POST /account/apps: take an approval back."""
    person = visit.person
    if person is None:
        return _again(visit)
    people = visit.people
    now = people.now()
    if any(f.id == visit.given("family") for f in await people.tokens.families(person.id, now)):
        await people.tokens.revoke_family(visit.given("family"), now)
    return _done(visit)


async def end_elsewhere(visit: Visit) -> Response:
    """POST /account/elsewhere: end every session but this one."""
    if visit.person is None or visit.session is None:
        return _again(visit)
    await visit.people.end_other_sessions(visit.person.id, visit.session.id)
    return _done(visit)


def _totp_page(visit: Visit, person: Account, secret: str, error: str = "") -> Response:
    uri = totp.uri(secret, person.name, TITLE)
    return page(
        visit,
        "authenticator.html",
        status=400 if error else 200,
        errors={"code": error} if error else None,
        secret=secret,
        shown=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=totp.picture(uri),
    )


def _recent(visit: Visit) -> Account | None:
    return visit.person if visit.recent else None


def _again(visit: Visit) -> Response:
    """Ask to sign in: somebody must be there, now, to change how the account is protected."""
    return go(visit, SIGN_IN, next=MANAGE)


def _done(visit: Visit) -> Response:
    return go(visit, MANAGE, done="1")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
