"""One request of a browser: its cookies, its language, and who is signed in.

The cookie `visit` names the session once somebody is signed in; before that it only ties forms to
the browser. With https its name begins with `__Host-`, so that no neighbouring host can set it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.http.address import address_of
from fhir_server.http.body import parse_pairs, read_body
from fhir_server.smart.accounts import Account
from fhir_server.smart.people import People
from fhir_server.smart.sessions import Session, is_form_token
from fhir_server.smart.throttling import Caller
from fhir_server.store.opaque import new_token
from fhir_server.web.languages import Language, language

FORM = "application/x-www-form-urlencoded"
MAX_BYTES = 64 * 1024
YEAR = 365 * 86_400
RECENT = 15 * 60
"""Seconds after a sign-in in which the account may be changed."""


class Refused(Exception):
    """A form that did not come from one of our pages, or not as a form."""


@dataclass(slots=True)
class Visit:
    """A browser's request. `token` is its cookie's value, `session` who is signed in by it.

    `form` holds the pairs of a POST whose origin was checked.
    """

    people: People
    path: str
    query: tuple[tuple[str, str], ...]
    language: Language
    token: str
    address: str
    session: Session | None = None
    account: Account | None = None
    form: tuple[tuple[str, str], ...] = ()
    device: str | None = None
    _cookies: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @classmethod
    async def of(cls, request: Request, people: People) -> Visit:
        """The visit behind a request. Raises Refused for a form from elsewhere."""
        secure = people.settings.root.startswith("https:")
        query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
        chosen = dict(query).get("lang")
        kept = request.cookies.get("lang")
        token = request.cookies.get(_name("visit", secure), "")
        visit = cls(
            people,
            request.url.path,
            query,
            language(chosen or kept, request.headers.get("accept-language", "")),
            token,
            address_of(request, people.settings.trusted_proxies),
            device=request.cookies.get(_name("device", secure)),
        )
        if chosen and chosen != kept:
            visit._cookies["lang"] = (visit.language, YEAR)
        if request.method == "POST":
            visit.form = await _form(request, token)
        if not 20 <= len(token) <= 100:
            visit.keep(new_token())
        visit.session = await people.sessions.of(token)
        if visit.session is not None:
            visit.account = await people.accounts.get(visit.session.account)
        return visit

    @property
    def person(self) -> Account | None:
        """Who is signed in, with every factor that the account asks for."""
        return self.account if self.session and self.session.complete else None

    @property
    def recent(self) -> bool:
        """Whether the sign-in is young enough to change the account."""
        return (
            self.person is not None
            and self.session is not None
            and self.people.now() - self.session.begun < RECENT
        )

    def given(self, name: str) -> str:
        """The value of a field of the form or, without a form, of the query; empty if none."""
        return next((value for key, value in self.form or self.query if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field of the form."""
        return [value for key, value in self.form if key == name]

    def caller(self, name: str) -> Caller:
        """Where this attempt to sign in as somebody comes from."""
        known = self.device is not None and hmac.compare_digest(
            self.device.partition(".")[2].encode(), self._device_mark(name).encode()
        )
        return Caller(self.address, self.device if known else None)

    async def sign_in(self, account: Account, method: str, *, complete: bool, request: str) -> None:
        """Begin a session in place of the one that was."""
        sessions = self.people.sessions
        if self.session is not None:
            await sessions.end(self.session.id)
        token, self.session = await sessions.begin(
            account.id, method, complete=complete, request=request or None
        )
        self.account = account
        self.keep(token)
        if complete:
            self.device = f"{new_token()}."
            self.device += self._device_mark(account.name)
            self._cookies["device"] = (self.device, YEAR)

    async def sign_out(self) -> None:
        """End the session."""
        if self.session is not None:
            await self.people.end_session(self.session.id)
        self.session = self.account = None
        self.keep(new_token())

    def keep(self, token: str) -> None:
        """Give the browser another cookie."""
        self.token = token
        self._cookies["visit"] = (token, None)

    def leave(self, response: Response) -> None:
        """Put the cookies on the answer."""
        secure = self.people.settings.root.startswith("https:")
        for name, (value, age) in self._cookies.items():
            response.set_cookie(
                name if name == "lang" else _name(name, secure),
                value,
                max_age=age,
                path="/",
                secure=secure,
                httponly=True,
                samesite="lax",
            )

    def _device_mark(self, name: str) -> str:
        nonce = (self.device or "").partition(".")[0]
        text = f"device {nonce} {name}".encode()
        return hmac.new(self.people.device_key, text, hashlib.sha256).hexdigest()


async def _form(request: Request, token: str) -> tuple[tuple[str, str], ...]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM or request.headers.get("sec-fetch-site") == "cross-site":
        raise Refused
    pairs = parse_pairs(await read_body(request.receive, MAX_BYTES))
    given = next((value for name, value in pairs if name == "csrf"), "")
    if not is_form_token(given, token):
        raise Refused
    return pairs


def _name(name: str, secure: bool) -> str:
    return f"__Host-{name}" if secure else name
