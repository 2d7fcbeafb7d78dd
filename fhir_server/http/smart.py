"""The routes of the authorization server: requests in, JSON and redirects out.

Nothing here logs a body, a header or a query: they hold codes, tokens and secrets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from fhir_server.errors import FhirError, Unavailable
from fhir_server.exchange import Pairs
from fhir_server.http.address import address_of
from fhir_server.http.body import Disconnected, parse_pairs, read_body
from fhir_server.http.cors import RawHeaders, origin_headers, preflight_headers
from fhir_server.http.log import log
from fhir_server.settings import Settings
from fhir_server.smart import endpoints as paths
from fhir_server.smart.client_authentication import claimed_client
from fhir_server.smart.discovery import openid_configuration, smart_configuration
from fhir_server.smart.errors import OAuthError, Redirected
from fhir_server.smart.made_up_sign_in import made_up_approval
from fhir_server.smart.server import AuthorizationServer
from fhir_server.smart.style import STYLE
from fhir_server.smart.throttling import Caller
from fhir_server.smart.userinfo import userinfo
from fhir_server.web.routes import fault_page

MAX_BYTES = 256 * 1024
FORM = "application/x-www-form-urlencoded"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
ANY_ORIGIN = ("*",)
PUBLISHED_SECONDS = 300

Answer = TypeVar("Answer")
Handler = Callable[[Request, AuthorizationServer], Awaitable[Response]]


def add_smart(pages: FastAPI, settings: Settings) -> None:
    """Add the routes to the application whose `state.smart` the lifespan sets."""
    configuration = settings.base_path + paths.SMART_CONFIGURATION
    table: list[tuple[str, tuple[str, ...], Handler, bool]] = [
        (configuration, ("GET",), _smart_configuration, True),
        (paths.OPENID_CONFIGURATION, ("GET",), _openid_configuration, True),
        (paths.OAUTH_CONFIGURATION, ("GET",), _openid_configuration, True),
        (paths.JWKS, ("GET",), _jwks, True),
        (paths.AUTHORIZE, ("GET", "POST"), _authorize, False),
        (paths.TOKEN, ("POST",), _token, False),
        (paths.INTROSPECT, ("POST",), _introspect, False),
        (paths.REVOKE, ("POST",), _revoke, False),
        (paths.REGISTER, ("POST",), _register, False),
        (paths.REGISTER + "/{client_id}", ("GET", "PUT", "DELETE"), _manage, False),
        (paths.USERINFO, ("GET", "POST"), _userinfo, False),
        (paths.LAUNCH, ("POST",), _launch, False),
        (paths.STYLE, ("GET",), _style, True),
        (paths.BRANDS, ("GET",), _brands, True),
    ]
    for path, methods, handler, public in table:
        answer = _answering(handler, ANY_ORIGIN if public else settings.cors_origins)
        pages.add_route(path, answer, [*methods, "OPTIONS"], include_in_schema=False)


def _answering(handler: Handler, origins: tuple[str, ...]) -> Callable[[Request], Any]:
    """The handler with errors in OAuth's words, and with CORS on every answer, refusals too."""

    async def answer(request: Request) -> Response:
        origin = request.headers.get("origin", "")
        if request.method == "OPTIONS":
            response = Response(status_code=204)
            _add(response, preflight_headers(origin, origins))
            return response
        server: AuthorizationServer = request.app.state.smart
        try:
            response = await handler(request, server)
        except OAuthError as error:
            response = refusal(error)
        except FhirError as error:
            response = _fault(error)
        except Disconnected:
            return Response(status_code=400)
        except Exception:
            log.exception("fault", interaction=request.url.path)
            response = _json({"error": "server_error"}, 500)
        _add(response, origin_headers(origin, origins))
        return response

    return answer


def refusal(error: OAuthError) -> Response:
    """The answer to a request that is refused, by RFC 6749, 5.2."""
    return _json(error.body(), error.status, error.headers)


async def _smart_configuration(request: Request, server: AuthorizationServer) -> Response:
    brand = server.brands.identifier if server.brands else None
    return _published(smart_configuration(server.endpoints, brand))


async def _openid_configuration(request: Request, server: AuthorizationServer) -> Response:
    return _published(openid_configuration(server.endpoints))


async def _jwks(request: Request, server: AuthorizationServer) -> Response:
    return _published(await server.keys.published())


async def _style(request: Request, server: AuthorizationServer) -> Response:
    return _published(STYLE)


async def _brands(request: Request, server: AuthorizationServer) -> Response:
    if server.brands is None:
        return Response(status_code=404)
    headers = {"ETag": server.brands.etag, "Cache-Control": f"max-age={PUBLISHED_SECONDS}"}
    asked = request.headers.get("if-none-match", "")
    known = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
    if asked.strip() == "*" or server.brands.etag.removeprefix("W/") in known:
        return Response(status_code=304, headers=headers)
    return Response(server.brands.body, headers=headers, media_type="application/fhir+json")


async def _authorize(request: Request, server: AuthorizationServer) -> Response:
    if request.method == "POST":
        pairs = await _form(request)
    else:
        pairs = parse_pairs(request.scope["query_string"])
    try:
        pending = await server.authorizer.begin(pairs)
    except Redirected as error:
        return _redirect(error.url)
    except OAuthError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return await fault_page(request, "app-refused", error.status, error.description)
    match server.settings.test_sign_in:
        case "approve":
            approval = made_up_approval(pending, server.settings, server.now())
            return _redirect(await server.authorizer.complete(pending.id, approval))
        case "deny":
            return _redirect(await server.authorizer.refuse(pending.id))
    return _redirect(f"{server.endpoints.at(paths.APPROVE)}?request={pending.id}")


async def _token(request: Request, server: AuthorizationServer) -> Response:
    proofs = request.headers.getlist("dpop")
    if len(proofs) > 1:
        raise OAuthError("invalid_dpop_proof", "DPoP: it comes more than once")
    answer = partial(server.token.answer, proof="".join(proofs))
    return _json(await _of_client(request, server, answer))


async def _introspect(request: Request, server: AuthorizationServer) -> Response:
    return _json(await _of_client(request, server, server.introspection.answer))


async def _revoke(request: Request, server: AuthorizationServer) -> Response:
    await _of_client(request, server, server.revocation.answer)
    return Response(status_code=200, headers=NO_STORE)


async def _of_client(
    request: Request,
    server: AuthorizationServer,
    answer: Callable[[Pairs, str], Awaitable[Answer]],
) -> Answer:
    """The answer to a form of a client, which is kept waiting where it fails again and again."""
    form, authorization = await _form(request), _authorization(request)
    client = claimed_client(form, authorization)
    return await server.failures.watch(
        client, _caller(request, server), partial(answer, form, authorization)
    )


def _caller(request: Request, server: AuthorizationServer) -> Caller:
    return Caller(address_of(request, server.settings.trusted_proxies))


async def _register(request: Request, server: AuthorizationServer) -> Response:
    metadata = await _object(request)
    return _json(await server.registration.register(metadata, _authorization(request)), 201)


async def _manage(request: Request, server: AuthorizationServer) -> Response:
    client_id, authorization = request.path_params["client_id"], _authorization(request)
    match request.method:
        case "PUT":
            metadata = await _object(request)
            return _json(await server.registration.update(client_id, metadata, authorization))
        case "DELETE":
            await server.registration.remove(client_id, authorization)
            return Response(status_code=204, headers=NO_STORE)
    return _json(await server.registration.read(client_id, authorization))


async def _userinfo(request: Request, server: AuthorizationServer) -> Response:
    return _json(await userinfo(_authorization(request), server.bearer, server.endpoints))


async def _launch(request: Request, server: AuthorizationServer) -> Response:
    announced, authorization = await _object(request), _authorization(request)
    answer = partial(server.announcement.answer, announced, authorization)
    client = claimed_client((), authorization)
    return _json(await server.failures.watch(client, _caller(request, server), answer), 201)


def _authorization(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise OAuthError("invalid_request", "Authorization: it comes more than once")
    return given[0] if given else ""


async def _form(request: Request) -> Pairs:
    if _media_type(request) != FORM:
        raise OAuthError("invalid_request", f"Content-Type: send {FORM}")
    return parse_pairs(await read_body(request.receive, MAX_BYTES))


async def _object(request: Request) -> object:
    if _media_type(request) != "application/json":
        raise OAuthError("invalid_request", "Content-Type: send application/json")
    try:
        return msgspec.json.decode(await read_body(request.receive, MAX_BYTES))
    except msgspec.DecodeError:
        raise OAuthError("invalid_request", "The body is no JSON") from None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse(content, status, headers={**NO_STORE, **(headers or {})})


def _published(content: dict[str, Any]) -> Response:
    caching = {"Cache-Control": f"max-age={PUBLISHED_SECONDS}"}
    return JSONResponse(content, headers=caching)


def _redirect(url: str) -> Response:
    # 303, so that a POST comes to its end here and no browser sends its body on.
    headers = {**NO_STORE, "Referrer-Policy": "no-referrer"}
    return RedirectResponse(url, 303, headers=headers)


def _fault(error: FhirError) -> Response:
    code = "temporarily_unavailable" if isinstance(error, Unavailable) else "invalid_request"
    told = OAuthError(code, str(error), status=error.status, headers=dict(error.headers))
    return refusal(told)


def _add(response: Response, headers: RawHeaders) -> None:
    response.raw_headers.extend(headers)
