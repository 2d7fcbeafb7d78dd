"""The resource in a request's body. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.errors import MalformedContent, UnsupportedMediaType
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec, elements
from fhir_server.fhir.elements import Content
from fhir_server.fhir.xml import from_xml
from fhir_server.interactions.binary import from_raw
from fhir_server.services import Services

JSON = frozenset(("application/fhir+json", "application/json", "text/json"))
XML = frozenset(("application/fhir+xml", "application/xml", "text/xml"))
FHIR_VERSIONS = ("4.0", "4.0.1")


Read = Callable[..., Content]
"""Decodes JSON within `max_bytes` and `max_depth`."""


def read_content(request: FhirRequest, services: Services) -> Content:
    """The resource in the body, from JSON or XML; any other type than these makes a Binary.

    Raises UnsupportedMediaType, MalformedContent and TooLarge.
    """
    return _read(request, services, _decoded)


def read_known(request: FhirRequest, services: Services) -> Content:
    """The same with what is known of its elements, whose values nobody may change."""
    return _read(request, services, elements.read)


def _decoded(body: bytes, *, max_bytes: int, max_depth: int) -> Content:
    return Content(*codec.parse(body, max_bytes=max_bytes, max_depth=max_depth))


def _read(request: FhirRequest, services: Services, read: Read) -> Content:
    if request.resource is not None:
        return Content(request.resource, request.body)
    media = media_type(request)
    if media not in JSON and media not in XML:
        return _raw_binary(request, media)
    if not request.body:
        raise MalformedContent("The body is empty; the resource itself is expected")
    limits = services.settings.max_body_bytes, services.settings.max_depth
    if media in JSON:
        return read(request.body, max_bytes=limits[0], max_depth=limits[1])
    resource = from_xml(request.body, max_bytes=limits[0], max_depth=limits[1])
    return Content(resource, codec.encode(resource))


def _raw_binary(request: FhirRequest, media: str) -> Content:
    if request.target.type != "Binary" or not media:
        raise unread(media)
    content = request.body if request.upload is None else None
    raw = from_raw(request.header("content-type"), content, request.header("x-security-context"))
    resource = codec.decode(raw, max_bytes=len(raw))
    if request.target.id:
        resource["id"] = request.target.id  # content has none of its own: it has the URL's
    return Content(resource, raw)


def unread(media: str) -> UnsupportedMediaType:
    """The refusal of a body that is neither FHIR JSON nor FHIR XML."""
    return UnsupportedMediaType(
        f"Content-Type '{media[:80]}' is not read here; "
        "send application/fhir+json or application/fhir+xml"
    )


def media_type(request: FhirRequest) -> str:
    """The media type of the body in lower case, empty where none was sent.

    Raises UnsupportedMediaType for another charset than UTF-8 and another FHIR version than R4.
    """
    header = request.header("content-type")
    if ";" not in header:
        return header.strip().lower()
    media, *parameters = header.split(";")
    media = media.strip().lower()
    if media in JSON or media in XML or media == "application/json-patch+json":
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            name, value = name.strip().lower(), value.strip().strip('"')
            if name == "charset" and value.lower() not in ("utf-8", "utf8"):
                raise UnsupportedMediaType(f"charset={value[:40]} is not read; FHIR is UTF-8")
            if name == "fhirversion" and value not in FHIR_VERSIONS:
                raise UnsupportedMediaType(
                    f"fhirVersion={value[:40]} is not read; this server speaks 4.0 (R4)"
                )
    return media
