"""Signing in and out: password and authenticator, passkey, code on paper, other providers."""

from __future__ import annotations

import re

from starlette.responses import Response

from fhir_server.http.log import log
from fhir_server.smart import passwords, upstream
from fhir_server.smart.accounts import Account
from fhir_server.smart.endpoints import APPROVE, MANAGE
from fhir_server.smart.passkeys import Refused, credential_of
from fhir_server.web.page import go, page
from fhir_server.web.visit import Visit

SIGN_IN = "/sign-in"
ELSEWHERE = "/sign-in/with"
SECOND = "/sign-in/second"
PASSKEY = "/sign-in/passkey"
RECOVER = "/sign-in/recover"
SIGN_OUT = "/sign-out"
PASSWORD = "/account/password"  # noqa: S105 - a path

_NEXT = re.compile(rf"(?:{APPROVE}\?request=([A-Za-z0-9_-]{{1,100}})|{MANAGE})\Z")


def after(visit: Visit) -> str:
    """Where to go once signed in: a page of ours that waits for it, else the account."""
    wanted = visit.given("next")
    return wanted if _NEXT.match(wanted) else MANAGE


def request_of(path: str) -> str:
    """The id of the authorization request that a path is about, empty for none."""
    found = _NEXT.match(path)
    return (found[1] or "") if found else ""


async def sign_in_page(
    visit: Visit, *, error: str = "", status: int = 200, wait: int = 0
) -> Response:
    """The form for name and password, and the button for passkeys."""
    return page(
        visit,
        "sign_in.html",
        status=status,
        script=True,
        errors={"name": error} if error else None,
        next=after(visit),
        name=visit.given("name")[:100],
        wait=wait,
        passkey=await visit.people.passkeys.ask(visit.token),
        providers=visit.people.providers.listed(),
        forms_to=visit.people.providers.origins(),
    )


async def show_sign_in(visit: Visit) -> Response:
    """GET /sign-in."""
    return await sign_in_page(visit)


async def sign_in(visit: Visit) -> Response:
    """POST /sign-in: name and password."""
    people = visit.people
    name = visit.given("name")
    caller = visit.caller(name.strip().lower())
    wait = await people.throttle.attempt(name.strip().lower(), caller)
    if wait:
        return await _wait(visit, wait)
    account = await people.accounts.with_password(name, visit.given("password"))
    if account is None:
        return await sign_in_page(visit, error="sign-in-wrong", status=401)
    await people.throttle.forgive(account.name, caller)
    return await _signed_in(visit, account, "password", complete=account.totp is None)


async def sign_in_with_passkey(visit: Visit) -> Response:
    """POST /sign-in/passkey: what the browser's authenticator answered."""
    people = visit.people
    answer = visit.given("answer")
    try:
        account = await people.accounts.with_passkey(credential_of(answer))
        if account is None:
            raise Refused("nobody has this passkey")
        held = next(key for key in account.passkeys if key.id == credential_of(answer))
        count = await people.passkeys.used(visit.token, answer, held)
    except Refused:
        return await sign_in_page(visit, error="passkey-wrong", status=401)
    await people.accounts.used_passkey(account.id, held, count)
    return await _signed_in(visit, account, "passkey", complete=True)


async def sign_in_elsewhere(visit: Visit, key: str) -> Response:
    """POST /sign-in/with/KEY: off to another provider."""
    try:
        return go(visit, await visit.people.providers.begin(key, visit.token, after(visit)))
    except upstream.Refused as error:
        log.warning("sign-in elsewhere", provider=key[:30], reason=str(error))
        return await sign_in_page(visit, error="provider-wrong", status=502)


async def sign_in_from(visit: Visit, key: str) -> Response:
    """GET /sign-in/from/KEY: back from there. The provider's factors are its own business."""
    people = visit.people
    try:
        found = await people.providers.finish(key, visit.token, dict(visit.query))
        account = await people.accounts.with_upstream(found.identity)
        if account is None:
            raise upstream.Refused("no account is linked to this identity")
    except upstream.Refused as error:
        log.warning("sign-in elsewhere", provider=key[:30], reason=str(error))
        return await sign_in_page(visit, error="provider-wrong", status=401)
    goal = found.next if _NEXT.match(found.next) else MANAGE
    await visit.sign_in(account, f"provider {key}", complete=True, request=request_of(goal))
    return go(visit, goal)


async def show_second(visit: Visit) -> Response:
    """GET /sign-in/second: the form for the authenticator's code."""
    if visit.account is None or visit.person is not None:
        return go(visit, SIGN_IN, next=after(visit))
    return page(visit, "second.html", next=after(visit), wait=0)


async def second(visit: Visit) -> Response:
    """POST /sign-in/second: the authenticator's code, or one from paper in its place."""
    account, people = visit.account, visit.people
    if account is None or visit.person is not None:
        return go(visit, SIGN_IN, next=after(visit))
    code = visit.given("code")
    caller = visit.caller(account.name)
    if len("".join(code.split())) > 8:
        good, method = await people.accounts.use_recovery(account.id, code), "paper"
    else:
        wait = await people.throttle.second(account.id, caller)
        if wait:
            errors = {"code": "wait"}
            return page(
                visit, "second.html", status=429, errors=errors, next=after(visit), wait=round(wait)
            )
        good, method = await people.accounts.use_totp(account, code), "totp"
        if good:
            await people.throttle.forgive_second(account.id, caller)
    if not good:
        errors = {"code": "code-wrong"}
        return page(visit, "second.html", status=401, errors=errors, next=after(visit), wait=0)
    return await _signed_in(visit, account, f"password {method}", complete=True)


async def show_recover(visit: Visit) -> Response:
    """GET /sign-in/recover: the form for a code on paper."""
    return page(visit, "recover.html", next=after(visit), name="", wait=0)


async def recover(visit: Visit) -> Response:
    """POST /sign-in/recover: name and code from paper; then a new password is asked for."""
    people = visit.people
    name = visit.given("name")
    caller = visit.caller(name.strip().lower())
    wait = await people.throttle.attempt(name.strip().lower(), caller)
    account = None
    if not wait:
        account = await people.accounts.with_recovery(name, visit.given("code"))
    if account is None:
        return page(
            visit,
            "recover.html",
            status=429 if wait else 401,
            errors={"code": "wait" if wait else "paper-wrong"},
            next=after(visit),
            name=name[:100],
            wait=round(wait),
        )
    await people.throttle.forgive(account.name, caller)
    await visit.sign_in(account, "paper", complete=True, request=request_of(after(visit)))
    return go(visit, PASSWORD, next=after(visit))


async def show_password(visit: Visit) -> Response:
    """GET /account/password: the form for a new password."""
    if not visit.recent:
        return go(visit, SIGN_IN, next=MANAGE)
    return page(visit, "password.html", next=after(visit))


async def set_password(visit: Visit) -> Response:
    """POST /account/password: the new password; who is signed in elsewhere is signed out."""
    person = visit.person
    if person is None or not visit.recent or visit.session is None:
        return go(visit, SIGN_IN, next=MANAGE)
    password = visit.given("password")
    error = passwords.fault(password, person.name)
    if error is None and password != visit.given("again"):
        error = "password-differs"
    if error:
        field = "again" if error == "password-differs" else "password"
        return page(visit, "password.html", status=400, errors={field: error}, next=after(visit))
    await visit.people.accounts.set_password(person.id, password)
    await visit.people.end_other_sessions(person.id, visit.session.id)
    return go(visit, after(visit))


async def show_sign_out(visit: Visit) -> Response:
    """GET /sign-out: asks, for a link alone must not sign anybody out."""
    return page(visit, "sign_out.html", done=visit.account is None)


async def sign_out(visit: Visit) -> Response:
    """POST /sign-out."""
    await visit.sign_out()
    return page(visit, "sign_out.html", done=True)


async def _signed_in(visit: Visit, account: Account, method: str, *, complete: bool) -> Response:
    goal = after(visit)
    await visit.sign_in(account, method, complete=complete, request=request_of(goal))
    if not complete:
        return go(visit, SECOND, next=goal)
    return go(visit, goal)


async def _wait(visit: Visit, seconds: float) -> Response:
    response = await sign_in_page(visit, error="wait", status=429, wait=round(seconds))
    response.headers["Retry-After"] = str(round(seconds))
    return response
