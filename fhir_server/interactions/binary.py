"""Binary in its own content type. https://hl7.org/fhir/R4/binary.html#rest"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import msgspec

from fhir_server.errors import RangeNotSatisfiable
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.store.resources import Version

FHIR_MEDIA = (
    "application/fhir+json",
    "application/json",
    "application/fhir+xml",
    "application/xml",
    "text/json",
    "text/xml",
)
SAFE_INLINE = ("image/png", "image/jpeg", "image/gif", "application/pdf", "text/plain")


def wants_raw(request: FhirRequest) -> bool:
    """Whether the content itself is asked for: no FHIR type in `_format` or Accept."""
    if request.parameter("_format") is not None:
        return False
    named = (part.split(";")[0].strip().lower() for part in request.header("accept").split(","))
    return not any(media in FHIR_MEDIA for media in named)


def raw_binary(found: Version, request: FhirRequest, headers: dict[str, str]) -> FhirResponse:
    """The content in its own type, or the one byte range that was asked for.

    Active content is offered for download, never shown in the server's own origin.
    """
    resource: dict[str, Any] = msgspec.json.decode(found.raw)
    media = resource.get("contentType", "application/octet-stream")
    content = b64decode(resource.get("data", ""))
    headers = {**headers, "Content-Type": media, "Accept-Ranges": "bytes"}
    context = resource.get("securityContext", {}).get("reference")
    if context:
        headers["X-Security-Context"] = context
    if media.split(";")[0].strip().lower() not in SAFE_INLINE:
        headers["Content-Disposition"] = "attachment"
    asked = byte_range(request.header("range"), len(content))
    if asked is None:
        return FhirResponse(200, content, headers, fhir=False)
    first, last = asked
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return FhirResponse(206, content[first : last + 1], headers, fhir=False)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range (RFC 9110, 14.1.2); None where the whole is meant.

    Several ranges, other units and malformed headers mean the whole, as the RFC permits. Raises
    RangeNotSatisfiable for a range beyond the end.
    """
    unit, _, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spec:
        return None
    if not ((first + last).isascii() and (first + last).isdigit()):
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if first and last and int(last) < start:
        return None
    if start >= size or (not first and int(last) == 0):
        raise RangeNotSatisfiable(
            f"The content has {size} bytes; the range {header} lies beyond it",
            headers=[("Content-Range", f"bytes */{size}")],
        )
    return start, end


def from_raw(media: str, content: bytes, security_context: str) -> bytes:
    """The JSON of a Binary that holds `content`; `security_context` is X-Security-Context."""
    resource: dict[str, Any] = {"resourceType": "Binary", "contentType": media}
    if security_context:
        resource["securityContext"] = {"reference": security_context}
    resource["data"] = b64encode(content).decode()
    return msgspec.json.encode(resource)
