"""Which representation a caller asks for. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from fhir_server.errors import NotAcceptable

JSON = "json"
XML = "xml"

_FORMATS = {
    "json": (JSON, "application/fhir+json"),
    "application/json": (JSON, "application/json"),
    "application/fhir+json": (JSON, "application/fhir+json"),
    "application/json+fhir": (JSON, "application/fhir+json"),
    "text/json": (JSON, "application/fhir+json"),
    "xml": (XML, "application/fhir+xml"),
    "application/xml": (XML, "application/xml"),
    "application/fhir+xml": (XML, "application/fhir+xml"),
    "application/xml+fhir": (XML, "application/fhir+xml"),
    "text/xml": (XML, "application/fhir+xml"),
    "*/*": (JSON, "application/fhir+json"),
    "application/*": (JSON, "application/fhir+json"),
    "text/*": (JSON, "application/fhir+json"),
    "html": (JSON, "application/fhir+json"),
    "text/html": (JSON, "application/fhir+json"),
}


class Representation(NamedTuple):
    """What the answer is written in: `json` or `xml`, and its Content-Type."""

    format: str
    content_type: str


DEFAULT = Representation(JSON, "application/fhir+json; charset=utf-8")


@lru_cache(maxsize=512)
def negotiate(accept: str, format_: str | None) -> Representation:
    """The representation to answer in; `_format` overrides Accept. Raises NotAcceptable.

    A browser's text/html is answered in JSON; a form of FHIR other than 4.0 is not acceptable.
    """
    if format_ is not None:
        # A '+' that was not percent-encoded arrives as a blank: application/fhir json.
        wanted, parameters = _media(format_.strip().replace("fhir ", "fhir+"))
        if wanted in _FORMATS and _is_r4(parameters):
            return _representation(wanted)
        raise NotAcceptable(
            f"_format={format_[:80]} is not offered; use json or xml (application/fhir+json, "
            "application/fhir+xml)"
        )
    if not accept.strip():
        return DEFAULT
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept.split(",")):
        media, parameters = _media(part)
        quality = _quality(parameters.get("q", "1"))
        if media in _FORMATS and quality > 0 and _is_r4(parameters):
            ranked.append((-quality, position, media))
    if not ranked:
        raise NotAcceptable(
            f"Accept: {accept[:80]} cannot be met; application/fhir+json and "
            "application/fhir+xml are offered, in FHIR version 4.0"
        )
    return _representation(min(ranked)[2])


def _representation(media: str) -> Representation:
    format_, content_type = _FORMATS[media]
    return Representation(format_, f"{content_type}; charset=utf-8")


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return media.strip().lower(), parameters


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_r4(parameters: dict[str, str]) -> bool:
    return parameters.get("fhirversion", "4.0") in ("4.0", "4.0.1")
