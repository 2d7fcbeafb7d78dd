"""An entry as a request of its own.

https://hl7.org/fhir/R4/http.html#patch: in a Bundle, a JSON Patch comes in a Binary.
"""

from __future__ import annotations

from base64 import b64decode

from fhir_server.errors import FhirError, MalformedRequest
from fhir_server.exchange import FHIR_JSON, FhirRequest
from fhir_server.fhir import codec
from fhir_server.interactions.bundle_entries import Entry


def as_request(entry: Entry, request: FhirRequest) -> FhirRequest:
    """The entry as a request of its own, by the same caller; its answer is minimal by default."""
    asked = entry.request
    media, body = _content(entry)
    prefer = request.header("prefer")
    if "return" not in prefer:
        prefer = f"{prefer},return=minimal" if prefer else "return=minimal"
    headers = {"prefer": prefer, **asked.headers, "content-type": media}
    return FhirRequest(
        asked.method,
        asked.path,
        request.grant,
        request.base,
        asked.query,
        headers,
        body,
        session=request.session,
        request_id=request.request_id,
    )


def _content(entry: Entry) -> tuple[str, bytes]:
    """Content type and body: the resource itself, or of a patch what its Binary holds.

    The resource beside a GET or DELETE says nothing. Raises MalformedRequest where one is missing.
    """
    method = entry.request.method
    if method in ("GET", "HEAD", "DELETE"):
        return "", b""
    if not entry.raw:
        if method == "POST" and ("$" in entry.request.path or "_search" in entry.request.path):
            return "", b""
        raise MalformedRequest(
            f"{method} needs a resource in its entry", expression=f"{entry.place}.resource"
        )
    if method != "PATCH" or b'"Binary"' not in entry.raw:
        return FHIR_JSON, entry.raw
    try:
        binary = codec.decode(entry.raw)
    except FhirError as error:
        raise error.within(f"{entry.place}.resource") from None
    if binary.get("resourceType") != "Binary":
        return FHIR_JSON, entry.raw
    try:
        return binary["contentType"], b64decode(binary["data"], validate=True)
    except (KeyError, ValueError, TypeError):
        raise MalformedRequest(
            "The Binary of a patch needs contentType and data, in base64",
            expression=f"{entry.place}.resource",
        ) from None
