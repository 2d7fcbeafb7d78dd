"""What a write answers, as `Prefer: return=` asks. https://hl7.org/fhir/R4/http.html#ops

Without the header the answer is the representation; in a Bundle it is minimal.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache

from fhir_server.exchange import FhirRequest, FhirResponse, Prefer
from fhir_server.fhir import codec
from fhir_server.fhir.outcome import information
from fhir_server.store.version import Version


def written(version: Version, status: int, request: FhirRequest) -> FhirResponse:
    """The answer to a create, update or patch that left `version` as the current one."""
    headers = version_headers(version)
    headers["Location"] = location(version, request.base)
    returning = returned(request)
    if returning == "minimal":
        return FhirResponse(status, headers=headers)
    if returning == "OperationOutcome":
        text = f"{version.type}/{version.id} is at version {version.version}"
        return FhirResponse(status, _outcome(text), headers)
    if request.upload is not None and not version.raw:
        return FhirResponse(status, headers=headers, stream=request.upload.content(version))
    return FhirResponse(status, version.raw, headers)


def deleted(version: Version | None, request: FhirRequest, text: str = "") -> FhirResponse:
    """The answer to a delete: 200 with an outcome where one was asked for, else 204.

    `version` is the deletion, None where there was nothing to delete.
    """
    headers = {} if version is None else version_headers(version)
    if returned(request) != "OperationOutcome":
        return FhirResponse(204, headers=headers)
    if not text:
        what = f"{request.target.type}/{request.target.id}".rstrip("/")
        text = f"{what} is deleted" if version else f"There was no {what} to delete"
    return FhirResponse(200, _outcome(text), headers)


def returned(request: FhirRequest) -> str:
    """`minimal`, `representation`, `OperationOutcome` or empty.

    Raises MalformedRequest for any other: writes ask before they write.
    """
    return _returned(request.header("prefer"))


def version_headers(version: Version) -> dict[str, str]:
    """ETag and Last-Modified of a version."""
    return {
        "ETag": f'W/"{version.version}"',
        "Last-Modified": _http_date(version.updated // 1_000_000),
    }


def location(version: Version, base: str) -> str:
    """The absolute URL of one version."""
    return f"{base}/{version.type}/{version.id}/_history/{version.version}"


@lru_cache(maxsize=64)  # clients send the same few
def _returned(header: str) -> str:
    return Prefer(header).returning


@lru_cache(maxsize=1024)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _outcome(text: str) -> bytes:
    return codec.encode(information(text))
