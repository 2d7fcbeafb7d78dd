"""What lies beside the FHIR API: health, metrics, the OpenAPI description, the index page."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from fhir_server.errors import Issue
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.http.metrics import Metrics
from fhir_server.http.openapi import openapi
from fhir_server.services import Services
from fhir_server.settings import Settings
from fhir_server.web.index import index_page

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def add_pages(pages: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Add the routes to the application whose `state.services` the lifespan sets."""

    def services(request: Request) -> Services:
        held: Services = request.app.state.services
        return held

    @pages.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @pages.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        if await services(request).store.ping():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "the database does not answer"}, status_code=503)

    @pages.get("/metrics")
    async def figures() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    @pages.get("/openapi.json")
    async def description(request: Request) -> JSONResponse:
        return JSONResponse(openapi(settings.base, services(request).definitions))

    @pages.get("/")
    async def index(request: Request) -> HTMLResponse:
        return HTMLResponse(index_page(settings, services(request).definitions), headers=_HEADERS)

    @pages.exception_handler(HTTPException)
    async def refusal(request: Request, error: HTTPException) -> Response:
        code = "not-found" if error.status_code == 404 else "not-supported"
        text = f"{request.method} {request.url.path[:200]}: {error.detail}. "
        issue = Issue("error", code, f"{text}The FHIR API is at {settings.base}")
        return Response(
            outcome_bytes((issue,)),
            error.status_code,
            headers=dict(error.headers or {}),
            media_type="application/fhir+json",
        )
