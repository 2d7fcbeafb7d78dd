"""A response as an entry of a batch-response or transaction-response.

https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.response
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus

from fhir_server.errors import FhirError
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.fhir.bundle import response_entry
from fhir_server.fhir.outcome import information, outcome_bytes
from fhir_server.interactions.answer import location, returned
from fhir_server.store.version import Version

_OUTCOME = b'{"resourceType":"OperationOutcome"'


async def answer_entry(response: FhirResponse, method: str) -> bytes:
    """The entry of a response; the body of a HEAD is left out."""
    body = response.body
    if response.stream is not None:
        body = b"".join([part async for part in response.stream])
    if method == "HEAD" or not response.fhir:
        body = b""
    modified = response.headers.get("Last-Modified", "")
    is_outcome = body.startswith(_OUTCOME) and method not in ("GET", "HEAD")
    return response_entry(
        status_line(response.status),
        resource=None if is_outcome or not body else body,
        location=response.headers.get("Location", ""),
        etag=response.headers.get("ETag", ""),
        last_modified=_instant(modified) if modified else "",
        outcome=body if is_outcome else None,
    )


def version_entry(version: Version, status: int, request: FhirRequest) -> bytes:
    """The entry of a write that left `version` as the current one, as Prefer asks."""
    returning = returned(request)
    outcome = None
    if returning == "OperationOutcome":
        outcome = codec.encode(information(f"{version.type}/{version.id} is written"))
    return response_entry(
        status_line(status),
        resource=(version.raw or None) if returning == "representation" else None,
        location="" if version.deleted else location(version, request.base),
        etag=f'W/"{version.version}"',
        last_modified=codec.instant(version.updated),
        outcome=outcome,
    )


def refusal_entry(error: FhirError) -> bytes:
    """The entry of a request that was refused: its status and outcome."""
    return response_entry(status_line(error.status), outcome=outcome_bytes(error.issues))


@cache
def status_line(status: int) -> str:
    """Code and phrase, such as `201 Created`."""
    return f"{status} {HTTPStatus(status).phrase}"


def _instant(date: str) -> str:
    return parsedate_to_datetime(date).isoformat().replace("+00:00", "Z")
