"""`Bundle.entry.request`: one HTTP request inside a Bundle.

https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from fhir_server.errors import FhirError, MalformedRequest
from fhir_server.exchange import FHIR_JSON, Pairs
from fhir_server.fhir.primitives import parse_instant_range
from fhir_server.interactions.criteria import parse_query

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_HEADERS = {"ifNoneMatch": "if-none-match", "ifMatch": "if-match", "ifNoneExist": "if-none-exist"}


@dataclass(slots=True, eq=False)
class EntryRequest:
    """What an entry asks for: `path` is below the base, `query` decoded, headers in lower case.

    Entries that say it with the same bytes have the same one.
    """

    method: str
    path: str
    query: Pairs = ()
    headers: dict[str, str] = field(default_factory=dict)


def entry_request(given: Any, place: str, base: str) -> EntryRequest:
    """The request of the entry at `place`; an absolute URL counts where it is below `base`.

    Raises MalformedRequest with the place of what is missing or wrong.
    """
    if not isinstance(given, dict):
        raise _wrong(f"{place}.request", "The entry has no request; give its method and url")
    method, url = given.get("method"), given.get("url")
    if method not in METHODS:
        said = "The request has no method" if method is None else f"'{method}' is no method"
        raise _wrong(f"{place}.request.method", f"{said}; use one of {', '.join(METHODS)}")
    if not isinstance(url, str) or not (url := url.strip()):
        raise _wrong(f"{place}.request.url", "The request has no url, such as Patient/1")
    if url == base or url.startswith((f"{base}/", f"{base}?")):
        url = url[len(base) :]
    elif "://" in url.partition("?")[0]:
        raise _wrong(
            f"{place}.request.url", f"'{url[:80]}' is not on this server, whose base is {base}"
        )
    path, _, text = url.partition("?")
    try:
        query = parse_query(text) if text else ()
    except FhirError as error:
        raise error.within(f"{place}.request.url") from None
    headers = {"accept": FHIR_JSON} | {
        header: given[name] for name, header in _HEADERS.items() if isinstance(given.get(name), str)
    }
    since = given.get("ifModifiedSince")
    if isinstance(since, str):
        headers["if-modified-since"] = _http_date(since, place)
    return EntryRequest(method, unquote(path.strip("/")), query, headers)


def _http_date(instant: str, place: str) -> str:
    try:
        return formatdate(parse_instant_range(instant)[0] / 1_000_000, usegmt=True)
    except ValueError:
        raise _wrong(
            f"{place}.request.ifModifiedSince", f"'{instant[:40]}' is no instant"
        ) from None


def _wrong(place: str, text: str) -> MalformedRequest:
    return MalformedRequest(text, expression=place)
