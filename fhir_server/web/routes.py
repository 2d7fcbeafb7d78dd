"""Where the pages for people are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from fhir_server.errors import FhirError, Unavailable
from fhir_server.services import Services
from fhir_server.smart.endpoints import APPROVE, MANAGE
from fhir_server.smart.people import People
from fhir_server.smart.upstream import CALLBACK
from fhir_server.web import account, approve, sign_in
from fhir_server.web.page import page
from fhir_server.web.visit import Refused, Visit

Handler = Callable[[Visit], Awaitable[Response]]
Deciding = Callable[[Visit, Services], Awaitable[Response]]

PAGES: tuple[tuple[str, Handler | None, Handler | None], ...] = (
    # path, what answers GET, what answers POST
    (sign_in.SIGN_IN, sign_in.show_sign_in, sign_in.sign_in),
    (sign_in.SECOND, sign_in.show_second, sign_in.second),
    (sign_in.PASSKEY, None, sign_in.sign_in_with_passkey),
    (sign_in.RECOVER, sign_in.show_recover, sign_in.recover),
    (sign_in.SIGN_OUT, sign_in.show_sign_out, sign_in.sign_out),
    (sign_in.PASSWORD, sign_in.show_password, sign_in.set_password),
    (MANAGE, account.show, None),
    (account.TOTP, account.show_totp, account.set_totp),
    (account.PASSKEYS, None, account.set_passkeys),
    (account.PAPER, None, account.new_paper),
    (account.APPS, None, account.revoke_app),
    (account.ELSEWHERE, None, account.end_elsewhere),
)

BUSY = "Le serveur ne répond pas, réessayez. / The server does not answer, try again."

_STATIC = Path(__file__).parent / "static"
_FILES = {"pages.css": "text/css; charset=utf-8", "passkeys.js": "text/javascript; charset=utf-8"}


def add_people(pages: FastAPI) -> None:
    """Add the routes to the application whose `state.people` the lifespan sets."""
    for path, show, change in PAGES:
        if show is not None:
            _add(pages, path, "GET", _plain(show))
        if change is not None:
            _add(pages, path, "POST", _plain(change))
    for path, method, handler in (
        (sign_in.ELSEWHERE, "POST", sign_in.sign_in_elsewhere),
        (CALLBACK, "GET", sign_in.sign_in_from),
    ):
        _add(pages, f"{path}/{{key}}", method, _keyed(handler))
    _add(pages, APPROVE, "GET", _deciding(approve.show))
    _add(pages, APPROVE, "POST", _deciding(approve.decide))

    @pages.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in _FILES:
            return Response(status_code=404)
        headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
        return FileResponse(_STATIC / name, media_type=_FILES[name], headers=headers)


def _plain(handler: Handler) -> Callable[[Visit, Request], Awaitable[Response]]:
    return lambda visit, _: handler(visit)


def _keyed(
    handler: Callable[[Visit, str], Awaitable[Response]],
) -> Callable[[Visit, Request], Awaitable[Response]]:
    return lambda visit, request: handler(visit, request.path_params["key"])


def _deciding(handler: Deciding) -> Callable[[Visit, Request], Awaitable[Response]]:
    return lambda visit, request: handler(visit, request.app.state.services)


def _add(
    pages: FastAPI,
    path: str,
    method: str,
    handler: Callable[[Visit, Request], Awaitable[Response]],
) -> None:
    async def answer(request: Request) -> Response:
        people: People = request.app.state.people
        try:
            return await handler(await Visit.of(request, people), request)
        except Refused:
            return await fault_page(request, "form-elsewhere", 403)
        except Unavailable:
            return PlainTextResponse(BUSY, 503, headers={"Retry-After": "2"})
        except FhirError as error:
            return await fault_page(request, "form-elsewhere", error.status)

    pages.add_route(path, answer, [method], include_in_schema=False)


async def fault_page(request: Request, fault: str, status: int, detail: str = "") -> Response:
    """The page that says what went wrong, and to developers in `detail` why."""
    bare = Request({**request.scope, "method": "GET"})
    visit = await Visit.of(bare, request.app.state.people)
    return page(visit, "fault.html", status=status, fault=fault, detail=detail)
