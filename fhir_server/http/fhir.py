"""The FHIR endpoint: one ASGI application below the base URL.

It is plain ASGI because it is on the path of every request: what a framework would do here
(routing, models, middleware) is done by `dispatch`, the validator and this file.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import AsyncIterator, Awaitable
from itertools import count
from time import perf_counter
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from fhir_server.dispatch import Match, match, permit
from fhir_server.errors import FhirError, Forbidden, MalformedRequest, ServerFault, Unauthenticated
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.codec import decode, pretty
from fhir_server.fhir.fhirpath.effort import share_effort
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.fhir.xml import to_xml
from fhir_server.http.auth import CHALLENGE, CLOSED, INSUFFICIENT, Authentication, revoked
from fhir_server.http.body import Disconnected, body_parts, parse_pairs, read_body
from fhir_server.http.cors import origin_headers, preflight_headers
from fhir_server.http.log import log, log_request
from fhir_server.http.metrics import Metrics
from fhir_server.http.negotiation import DEFAULT, XML, Representation, negotiate
from fhir_server.interactions.raw_upload import is_raw_upload, write_raw
from fhir_server.services import Services

COMPRESS_FROM = 1400  # about one network packet: below it gzip saves no time
GZIP_LEVEL = 4
CHUNK = 256 * 1024
FORM = "application/x-www-form-urlencoded"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")
_COMPRESSED = [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
_SECURITY = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"private, no-cache")]


class FhirEndpoint:
    """Answers every request below the base path; never with anything but FHIR or raw content."""

    def __init__(
        self, services: Services, metrics: Metrics, authentication: Authentication
    ) -> None:
        self._services = services
        self._authentication = authentication
        self._settings = services.settings
        self._metrics = metrics
        self._base = self._settings.base
        self._prefix = len(self._settings.base_path)
        self._process = os.urandom(4).hex()
        self._count = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; errors become OperationOutcomes."""
        began = perf_counter()
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        request = FhirRequest(scope["method"], "", CLOSED, self._base, (), headers)
        request.request_id = self._request_id(headers.get("x-request-id"))
        representation = DEFAULT
        code = "none"
        self._metrics.active += 1
        try:
            try:
                if request.method == "OPTIONS":
                    await self._preflight(request, send)
                    return
                request.path = self._path(scope)
                raw_query = scope["query_string"]
                if raw_query:
                    request.query = parse_pairs(raw_query)
                representation = self._negotiate(request)
                found = match(request.method, request.path, self._services.definitions)
                code = found.code
                request.target = found.target
                response = await self._admit(request, found, scope, receive)
            except FhirError as error:
                response = self._refusal(error, representation)
            except Disconnected:
                return
            except Exception:
                log.exception("fault", interaction=code, request_id=request.request_id)
                response = self._refusal(
                    ServerFault(
                        "The server failed to answer; nothing of the request was kept. Its log "
                        f"has the cause under request id {request.request_id}"
                    ),
                    representation,
                )
            await self._send(request, response, representation, send)
            seconds = perf_counter() - began
            self._metrics.observe(code, request.target.type, response.status, seconds)
            log_request(
                interaction=code,
                type_=request.target.type,
                status=response.status,
                seconds=seconds,
                request_id=request.request_id,
                always=self._settings.log_requests,
            )
        finally:
            self._metrics.active -= 1

    async def _admit(
        self, request: FhirRequest, found: Match, scope: Scope, receive: Receive
    ) -> FhirResponse:
        """The answer to whoever asks; whether the token was revoked is known before it is given.

        What only reads is carried out meanwhile.
        """
        if found.public:
            return await self._answer(request, found, receive)
        authentication = self._authentication
        await authentication.identify(request, scope["headers"])
        if request.principal is None:
            return await self._answer(request, found, receive)
        check = authentication.is_revoked(request.principal)
        if request.method not in ("GET", "HEAD"):
            if await check:
                raise revoked()
            return await self._answer(request, found, receive)
        try:
            response = await self._answer(request, found, receive)
        except FhirError:
            if await check:
                raise revoked() from None
            raise
        except BaseException:
            check.cancel()
            raise
        if await check:
            raise revoked()
        return response

    def _answer(
        self, request: FhirRequest, found: Match, receive: Receive
    ) -> Awaitable[FhirResponse]:
        permit(request, found)
        share_effort()
        if request.method in ("GET", "HEAD"):
            return found.handler(request, self._services)
        return self._answer_body(request, found, receive)

    async def _answer_body(
        self, request: FhirRequest, found: Match, receive: Receive
    ) -> FhirResponse:
        headers = request.headers
        limit, encoding = self._settings.max_body_bytes, headers.get("content-encoding", "")
        if headers.get("content-type", "").startswith(FORM):
            request.query += parse_pairs(await read_body(receive, limit, encoding))
        elif is_raw_upload(found.code, request):
            parts = body_parts(receive, limit, encoding)
            return await write_raw(request, parts, found.handler, self._services)
        else:
            request.body = await read_body(receive, limit, encoding)
        return await found.handler(request, self._services)

    def _path(self, scope: Scope) -> str:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        text = raw[self._prefix :].decode("latin-1").strip("/")
        if "%" not in text:
            return text
        if re.search("%2f", text, re.IGNORECASE):
            raise MalformedRequest("An encoded slash (%2F) is part of no FHIR path")
        return unquote(text, errors="replace")

    def _negotiate(self, request: FhirRequest) -> Representation:
        format_ = request.parameter("_format") if request.query else None
        accept = request.headers.get("accept", "")
        if request.path.startswith("Binary/") and format_ is None:
            accept = accept + ",*/*;q=0.1"  # a Binary can be had in any type: see interactions
        return negotiate(accept, format_)

    def _request_id(self, given: str | None) -> str:
        if given is not None and _REQUEST_ID.match(given):
            return given
        return f"{self._process}-{next(self._count)}"

    def _refusal(self, error: FhirError, representation: Representation) -> FhirResponse:
        headers = dict(error.headers)
        if isinstance(error, Unauthenticated):
            headers.setdefault(*CHALLENGE)
        elif isinstance(error, Forbidden):
            headers.setdefault(*INSUFFICIENT)
        return FhirResponse(error.status, outcome_bytes(error.issues), headers)

    async def _preflight(self, request: FhirRequest, send: Send) -> None:
        headers = preflight_headers(request.header("origin"), self._settings.cors_origins)
        headers.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _send(
        self,
        request: FhirRequest,
        response: FhirResponse,
        representation: Representation,
        send: Send,
    ) -> None:
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
        ]
        headers.append((b"x-request-id", request.request_id.encode("latin-1")))
        headers += _SECURITY
        origin = request.headers.get("origin")
        if origin:
            headers += origin_headers(origin, self._settings.cors_origins)
        if response.stream is not None and not (response.fhir and representation.format == XML):
            await self._send_stream(request, response, representation, headers, send)
            return
        body = response.body
        if response.stream is not None:
            body = b"".join([part async for part in response.stream])
        if body and response.fhir:
            headers.append((b"content-type", representation.content_type.encode()))
            body = self._render(body, request, representation)
        if len(body) >= COMPRESS_FROM and _compresses(request, response):
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers += _COMPRESSED
        if response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if request.method == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})

    async def _send_stream(
        self,
        request: FhirRequest,
        response: FhirResponse,
        representation: Representation,
        headers: list[tuple[bytes, bytes]],
        send: Send,
    ) -> None:
        parts = response.stream
        if response.fhir:
            headers.append((b"content-type", representation.content_type.encode()))
        elif parts is not None and _compresses(request, response):
            headers = [header for header in headers if header[0] != b"content-length"]
            headers += _COMPRESSED
            parts = _gzipped(parts)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if request.method != "HEAD" and parts is not None:
            async for chunk in _chunks(parts):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _render(self, body: bytes, request: FhirRequest, representation: Representation) -> bytes:
        indent = bool(request.query) and request.parameter("_pretty") == "true"
        if representation.format == XML:
            size = max(len(body), 1) + 1
            return to_xml(decode(body, max_bytes=size, max_depth=1000), pretty=indent)
        return pretty(body) if indent else body


def _compresses(request: FhirRequest, response: FhirResponse) -> bool:
    """Whether the caller takes gzip; a range is of the content as it is."""
    accepted = "gzip" in request.headers.get("accept-encoding", "")
    return accepted and "Content-Range" not in response.headers


async def _gzipped(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compress = zlib.compressobj(GZIP_LEVEL, wbits=31)
    async for part in parts:
        yield compress.compress(part)
    yield compress.flush()


async def _chunks(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces large enough to be worth a system call."""
    held: list[bytes] = []
    size = 0
    async for part in parts:
        held.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
