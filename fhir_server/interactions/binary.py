"""Binary in its own content type. https://hl7.org/fhir/R4/binary.html#rest"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from fhir_server.errors import RangeNotSatisfiable
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir.base64_parts import decoded, letters_of
from fhir_server.services import Services
from fhir_server.store.files import Stored
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


async def raw_binary(
    found: Version, request: FhirRequest, headers: dict[str, str], services: Services
) -> FhirResponse:
    """The content in its own type, or the one byte range that was asked for.

    Active content is offered for download, never shown in the server's own origin. What lies in a
    file of its own streams from there.
    """
    file = await services.store.data(found)
    if file is None:
        found = await services.store.whole(found)
    resource: dict[str, Any] = msgspec.json.decode(found.outline)
    media = resource.get("contentType", "application/octet-stream")
    content = b64decode(resource.get("data", ""))
    size = len(content) if file is None else int(file.metadata["size"])
    headers = {**headers, "Content-Type": media, "Accept-Ranges": "bytes"}
    context = resource.get("securityContext", {}).get("reference")
    if context:
        headers["X-Security-Context"] = context
    if media.split(";")[0].strip().lower() not in SAFE_INLINE:
        headers["Content-Disposition"] = "attachment"
    asked = byte_range(request.header("range"), size)
    first, last = asked or (0, size - 1)
    if asked is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 200 if asked is None else 206
    if file is None:
        return FhirResponse(status, content[first : last + 1], headers, fhir=False)
    headers["Content-Length"] = str(last + 1 - first)
    return FhirResponse(status, b"", headers, _part(file, first, last + 1), fhir=False)


def _part(file: Stored, first: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `first` up to `end` of the content whose base64 the file has."""
    letters = file.read(*letters_of(first, end))
    return decoded(letters, first % 3, end - first)


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


def from_raw(media: str, content: bytes | None, security_context: str) -> bytes:
    """The JSON of a Binary that holds `content`; `security_context` is X-Security-Context.

    None leaves the data out: it is elsewhere.
    """
    resource: dict[str, Any] = {"resourceType": "Binary", "contentType": media}
    if security_context:
        resource["securityContext"] = {"reference": security_context}
    if content is not None:
        resource["data"] = b64encode(content).decode()
    return msgspec.json.encode(resource)
