"""What a history is asked for: `_since`, `_at`, `_count`, `_sort`.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.errors import UnsupportedParameter
from fhir_server.fhir.primitives import parse_instant_range
from fhir_server.search import cursor
from fhir_server.search.criteria import malformed, nearest
from fhir_server.search.request import Paging, encode

_PRESENTATION = ("_format", "_pretty")
_SORTS = {"-_lastUpdated": -1, "_lastUpdated": 1}
_KNOWN = ("_since", "_at", "_count", "_sort", *_PRESENTATION, cursor.PARAMETER)


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """One history. Instants are microseconds since 1970 UTC; `order` is -1 for newest first.

    `count` is 0 where only the total is asked for; `query` is what was applied, for the links: with
    lenient handling it alone shows what was ignored, as a history has no entry for an outcome.
    """

    since: int | None
    at: tuple[int, int] | None
    count: int
    order: int
    query: str
    cursor: str


def parse_history(
    pairs: Sequence[tuple[str, str]], paging: Paging, *, lenient: bool
) -> HistoryRequest:
    """The history that `pairs` ask for.

    Raises UnsupportedParameter for a name that is not known (unless `lenient`), MalformedRequest
    for a value that is none.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if not value:
            continue
        if name not in _KNOWN:
            if not lenient:
                raise UnsupportedParameter(
                    f"A history has no parameter '{name[:80]}'{nearest(name, _KNOWN)}",
                    expression=f"http.{name[:80]}",
                )
        elif given.setdefault(name, value) != value:
            raise malformed(name, f"was given twice, as {given[name][:40]} and {value[:40]}")
    since, at = _range("_since", given), _range("_at", given)
    count = _count(given.get("_count"), paging)
    sort = given.get("_sort", "-_lastUpdated")
    if sort not in _SORTS:
        raise malformed("_sort", f"'{sort[:80]}': a history goes by {' or '.join(_SORTS)}")
    text = given.pop(cursor.PARAMETER, "")
    given["_count"] = str(count)
    return HistoryRequest(
        since[0] if since else None,
        at,
        count,
        _SORTS[sort],
        encode(list(given.items())),
        text,
    )


def _count(value: str | None, paging: Paging) -> int:
    if value is None:
        return min(paging.default, paging.most)
    if not (value.isascii() and value.isdigit()):
        raise malformed("_count", f"'{value[:40]}' is no whole number from 0")
    return min(int(value.lstrip("0")[:10] or "0"), paging.most)


def _range(name: str, given: dict[str, str]) -> tuple[int, int] | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        return parse_instant_range(value.replace(" ", "+"))  # a plus that was not percent-encoded
    except ValueError:
        raise malformed(
            name, f"'{value[:80]}' is no date or instant such as 2026-11-21T08:00:00Z"
        ) from None
