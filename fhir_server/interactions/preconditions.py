"""If-Match and If-None-Match on writes. https://hl7.org/fhir/R4/http.html#concurrency"""

from __future__ import annotations

from fhir_server.errors import PreconditionFailed
from fhir_server.exchange import FhirRequest
from fhir_server.interactions.read import entity_tags
from fhir_server.store.version import Version


def check_preconditions(request: FhirRequest, current: Version | None) -> None:
    """Raise PreconditionFailed unless the current version is what the headers demand.

    If-Match on what does not exist fails: it never creates. Tags are compared weakly.
    """
    expected = request.header("if-match")
    if expected:
        _check_match(expected, current, request)
    unexpected = request.header("if-none-match")
    if unexpected:
        _check_none_match(unexpected, current)


def _check_match(header: str, current: Version | None, request: FhirRequest) -> None:
    if current is None or current.deleted:
        where = f"{request.target.type}/{request.target.id}".rstrip("/")
        raise PreconditionFailed(
            f"If-Match: {header[:80]} names a version, but {where} does not exist"
        )
    if header.strip() != "*" and str(current.version) not in entity_tags(header):
        raise PreconditionFailed(
            f"If-Match: {header[:80]} is not the current version, which is "
            f'W/"{current.version}"; read it and send your change again'
        )


def _check_none_match(header: str, current: Version | None) -> None:
    if current is None or current.deleted:
        return
    if header.strip() == "*" or str(current.version) in entity_tags(header):
        raise PreconditionFailed(
            f"If-None-Match: {header[:80]} forbids this: {current.type}/{current.id} "
            f"exists in version {current.version}"
        )
