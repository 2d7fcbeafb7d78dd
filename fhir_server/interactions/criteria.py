"""The criteria of conditional interactions, read from where each of them has them.

https://hl7.org/fhir/R4/http.html#ccreate and the conditional update, patch and delete around it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.exchange import FhirRequest, Pairs

ABOUT_THE_ANSWER = ("_format", "_pretty")
"""Parameters that may stand beside criteria in a URL and say nothing of what is looked for."""

OF_SEARCHES_ONLY = (
    "_count",
    "_sort",
    "_include",
    "_revinclude",
    "_summary",
    "_elements",
    "_total",
    "_contained",
    "_containedType",
)


class Criteria(NamedTuple):
    """What is looked for: a type and decoded search parameters, at least one."""

    type: str
    pairs: Pairs

    @property
    def key(self) -> str:
        """The same text for the same criteria, whatever their order or escapes were."""
        return f"{self.type}?{urlencode(sorted(self.pairs))}"

    def __str__(self) -> str:
        return f"{self.type}?" + "&".join(f"{name}={value}" for name, value in self.pairs)


def criteria_of_query(request: FhirRequest) -> Criteria:
    """The criteria in the request's URL; MalformedRequest when there is none."""
    return _criteria(request.target.type, request.query, f"{request.method} {request.path}")


def criteria_of_header(request: FhirRequest) -> Criteria:
    """The criteria in If-None-Exist, with or without the type and `?` before them."""
    return criteria_of_text(request.header("if-none-exist"), request.target.type, "If-None-Exist")


def criteria_of_text(text: str, type_: str, place: str) -> Criteria:
    """The criteria in a text such as `identifier=s|v`, `?identifier=s|v` or `Type?...`."""
    path, mark, query = text.strip().rpartition("?")
    if mark and path and path.rsplit("/", 1)[-1] != type_:
        raise MalformedRequest(f"{place}: '{text[:80]}' looks for another type than {type_}")
    return _criteria(type_, parse_query(query), place)


def parse_query(text: str) -> Pairs:
    """The decoded pairs of a query, blanks kept; MalformedRequest where they are not UTF-8."""
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except ValueError:
        raise MalformedRequest(
            f"'{text[:80]}' is not UTF-8 when percent-decoded, or has too many parts"
        ) from None


def _criteria(type_: str, pairs: Pairs, place: str) -> Criteria:
    asked = tuple((name, value) for name, value in pairs if name not in ABOUT_THE_ANSWER)
    for name, value in asked:
        if name.partition(":")[0] in OF_SEARCHES_ONLY:
            raise UnsupportedParameter(
                f"{place}: {name[:80]} shapes the answer to a search; it is no criterion",
                expression=f"http.{name[:80]}",
            )
        if not value.strip(", "):
            raise MalformedRequest(
                f"{place}: the criterion {name[:80]} has no value; it would match everything",
                expression=f"http.{name[:80]}",
            )
    if not asked:
        raise MalformedRequest(
            f"{place} needs criteria such as identifier=system|value; "
            "without any it would match everything"
        )
    return Criteria(type_, asked)
